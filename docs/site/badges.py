"""The README's badges, from pyproject.toml: `python docs/site/badges.py`. Nothing in them is loaded from elsewhere."""

from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PICTURES = CHECKOUT / "docs" / "pictures"
VERSION = "Programming Language :: Python :: 3."
SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{label}: {value}">
<title>{label}: {value}</title>
<clipPath id="r"><rect width="{width}" height="20" rx="3"/></clipPath>
<g clip-path="url(#r)"><rect width="{left}" height="20" fill="#444"/>
<rect x="{left}" width="{right}" height="20" fill="#00695c"/></g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">
<text x="{label_x}" y="14" textLength="{label_length}">{label}</text>
<text x="{value_x}" y="14" textLength="{value_length}">{value}</text></g>
</svg>
"""
LETTER = 7
"""Pixels of a letter."""


def badges() -> dict[str, str]:
    """File name → SVG."""
    pyproject = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    versions = [f"3.{each.removeprefix(VERSION)}" for each in project["classifiers"] if each.startswith(VERSION)]
    typed = pyproject["tool"]["mypy"]["strict"] and "Typing :: Typed" in project["classifiers"]
    told = {"python": " | ".join(versions), "licence": project["license"], "typed": "mypy strict" if typed else "no"}
    return {f"badge-{label}.svg": badge(label, value) for label, value in told.items()}


def badge(label: str, value: str) -> str:
    """An SVG of two fields, 20 pixels high."""
    left, right = (len(text) * LETTER + 10 for text in (label, value))
    lengths = {"label_length": len(label) * LETTER - 4, "value_length": len(value) * LETTER - 4}
    places = {"label_x": left / 2, "value_x": left + right / 2}
    return SVG.format(
        label=escape(label), value=escape(value), width=left + right, left=left, right=right, **lengths, **places
    )


def write() -> None:
    """Write them into docs/pictures."""
    for name, svg in badges().items():
        (PICTURES / name).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    write()
