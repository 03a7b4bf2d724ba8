"""Charts as SVG that stands inside a page: no script, no style of their own, no address. Pure.

pygal draws them; the page's style sheet colours them, so that they follow the reader's light or dark.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pygal
from markupsafe import Markup
from pygal.etree import etree
from pygal.style import Style

# pygal leaves a finder for its maps' plug-ins behind, of a kind that Python 3.11 warns of and 3.12 no longer asks.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

_WIDTH, _HEIGHT = 440, 240
_FONT_SIZE = 17
"""The largest that the style sheet sets, on phones: as much room is left for the labels."""
_MOST_DAYS = 5
"""Labels of days that have room beside each other."""
_UNWANTED = ("script", "style", "defs", "desc", "title")
"""desc and title are pygal's tooltips: nothing shows them without its script."""

Series = Mapping[str, Sequence[float | None]]


def bars(name: str, title: str, description: str, labels: Sequence[str], values: Sequence[float]) -> Markup:
    """One bar a label, all of which are short."""
    return _drawn(pygal.Bar(**_settings(labels, len(labels))), name, title, description, {title: values})


def stacks(name: str, title: str, description: str, labels: Sequence[str], series: Series) -> Markup:
    """One bar a label, made of the series one on the other."""
    return _drawn(pygal.StackedBar(**_settings(labels)), name, title, description, series)


def bars_below(
    name: str, title: str, description: str, labels: Sequence[str], values: Sequence[float], limit: float
) -> Markup:
    """One bar a label, below a line at `limit`."""
    top = max(limit, *values)
    chart = pygal.Bar(**_settings(labels), range=(0, top * 1.05), y_labels_major=[limit])
    chart.y_labels = sorted({0, limit / 2, limit, top})
    return _drawn(chart, name, title, description, {title: values})


def lines(name: str, title: str, description: str, labels: Sequence[str], series: Series) -> Markup:
    """A line a series; None where it has not come to yet."""
    chart = pygal.Line(**_settings(labels), show_dots=False, include_x_axis=True)
    return _drawn(chart, name, title, description, series)


def _settings(labels: Sequence[str], most_labels: int = _MOST_DAYS) -> dict[str, Any]:
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "margin": 4,
        # Half of the last label stands beyond the last point of a line.
        "margin_right": 26,
        "css": (),
        "js": (),
        "no_prefix": True,
        "show_legend": False,
        "x_labels": labels,
        "x_labels_major": labels[:: max(1, -(-len(labels) // most_labels))],
        "truncate_label": -1,
        "show_minor_x_labels": False,
        "max_scale": 5,
        "value_formatter": lambda value: f"{value:,.0f}",
        "style": Style(label_font_size=_FONT_SIZE, major_label_font_size=_FONT_SIZE),
    }


def _drawn(chart: Any, name: str, title: str, description: str, series: Series) -> Markup:
    for label, values in series.items():
        chart.add(label, values)
    svg = chart.render_tree()
    for parent in list(svg.iter()):
        for child in list(parent):
            # A comment's tag is no text.
            if not isinstance(child.tag, str) or child.tag in _UNWANTED:
                parent.remove(child)
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        words = etree.Element(tag, id=f"{name}-{tag}")
        words.text = text
        svg.insert(place, words)
    attributes = {"id": name, "class": f"chart {name}", "role": "img"}
    for attribute, value in (attributes | {"aria-labelledby": f"{name}-title {name}-desc"}).items():
        svg.set(attribute, value)
    return Markup(etree.tostring(svg, encoding="unicode"))  # noqa: S704 (our own drawing, serialized as XML)
