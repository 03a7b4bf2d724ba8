"""Sentences as HTML: commands as code that a click selects whole, dates that do not wrap. Pure."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

# An option's value is a placeholder, a number or an age: any other word belongs to the sentence.
_MARKED = re.compile(
    r"(harvester [a-z]+(?: --?[a-z][a-z-]*(?: (?:[A-Z]+|\d+d?)\b)?| [A-Z]+\b)*|\bquota\.[a-z_]+ = \d+|\d{4}-\d\d-\d\d)"
)


def marked_up(sentence: str) -> Markup:
    """The sentence, escaped, its commands and settings as elements `code`."""
    return Markup().join(
        _element(part) if place % 2 else escape(part) for place, part in enumerate(_MARKED.split(sentence))
    )


def _element(part: str) -> Markup:
    element = '<span class="when">{}</span>' if part[0].isdigit() else "<code>{}</code>"
    return Markup(element).format(part)  # noqa: S704 (the element is one of ours, the part is escaped)
