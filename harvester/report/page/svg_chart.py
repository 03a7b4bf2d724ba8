"""Charts as SVG to embed in a page, without scripts, styles or addresses.

pygal draws them; the page's style sheet colours them, so that they follow its light or dark mode.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import count
from typing import Any

import pygal
from markupsafe import Markup
from pygal.etree import etree
from pygal.style import Style

# pygal installs an import finder for map plug-ins, of a kind that Python 3.11 warns about and 3.12 ignores.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

_WIDTH, _HEIGHT = 440, 240
_FONT_SIZE = 17
"""The largest size in the style sheet (for phones), so that the labels always have room."""
_MAX_DAYS = 5
"""The most labels of days that fit side by side."""
_UNWANTED = ("script", "style", "defs", "desc", "title")
"""desc and title are pygal's tooltips: nothing shows them without its script."""

MAX_TICKS = 7
_COMMON = {
    "width": _WIDTH,
    "height": _HEIGHT,
    "margin": 4,
    # Half of the last label extends beyond the last point of a line.
    "margin_right": 26,
    "css": (),
    "js": (),
    "no_prefix": True,
    "show_legend": False,
    "truncate_label": -1,
    "show_minor_x_labels": False,
    "value_formatter": lambda value: f"{value:,.0f}",
    "style": Style(label_font_size=_FONT_SIZE, major_label_font_size=_FONT_SIZE),
}


def short(number: float) -> str:
    """Format a tick of large numbers: `20M`."""
    for value, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= value:
            return f"{number / value:g}{unit}"
    return f"{number:g}"


def ticks(highest: float) -> list[int]:
    """From 0 in steps of 1, 2 or 5 times a power of ten; the last one is the first above `highest`."""
    steps = (factor * 10**power for power in count() for factor in (1, 2, 5))
    step = next(step for step in steps if highest // step + 2 <= MAX_TICKS)
    return [step * place for place in range(int(highest // step) + 2)]


def chart(
    kind: str,
    name: str,
    title: str,
    description: str,
    labels: Sequence[str],
    series: Sequence[Sequence[float | None]],
    *,
    limit: float | None = None,
    most_labels: int = _MAX_DAYS,
    **settings: Any,
) -> Markup:
    """Draw the series as a chart of pygal's `kind`: `Bar`, `StackedBar` or `Line`, which stops where a value is None.

    The axis ends above the highest value. `limit`: a line at that value, which the bars should stay below. `settings`
    are pygal's.
    """
    drawn = getattr(pygal, kind)(**(_COMMON | settings), x_labels=labels)
    drawn.x_labels_major = labels[:: max(1, -(-len(labels) // most_labels))]
    for values in series:
        drawn.add("", values)
    # Bars that are stacked are as high as their sum.
    columns = zip(*series, strict=True)
    heights = [(sum if kind.startswith("Stacked") else max)(value or 0 for value in column) for column in columns]
    drawn.y_labels = ticks(max(limit or 0, *heights))
    drawn.range = (0, drawn.y_labels[-1])
    if limit is not None:
        drawn.y_labels_major = [limit]
        if limit not in drawn.y_labels:
            drawn.y_labels += [{"value": limit, "label": ""}]
    svg = drawn.render_tree()
    for parent in list(svg.iter()):
        for child in list(parent):
            # The tag of a comment is not a string.
            if not isinstance(child.tag, str) or child.tag in _UNWANTED:
                parent.remove(child)
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        words = etree.Element(tag, id=f"{name}-{tag}")
        words.text = text
        svg.insert(place, words)
    svg.attrib.update({"id": name, "class": f"chart {name}", "role": "img"})
    svg.set("aria-labelledby", f"{name}-title {name}-desc")
    return Markup(etree.tostring(svg, encoding="unicode"))  # noqa: S704 (our own drawing, serialized as XML)
