"""JSON styles of a seed's answers: white space, escapes and order of keys."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Style:
    """One style. A JSON reader must accept all of them.

    ascii: other characters as escapes, those beyond U+FFFF as surrogate pairs. slashes: `\\/` for `/`. indent: of the
    parts of a video. gap: white space after the commas and colons between them. before, after: white space around the
    body. kind_last: the list says its kind at its end. reverse: the parts of a video in another order.
    """

    ascii: bool = False
    slashes: bool = False
    indent: int | None = None
    line_end: str = "\n"
    gap: str = ""
    before: str = ""
    after: str = ""
    kind_last: bool = False
    reverse: bool = False

    def spell(self, value: Any) -> bytes:
        """Return the value as JSON in this style, with HTML's characters escaped, as Google does."""
        separators = ("," + self.gap, ":" + self.gap) if self.indent is None else (",", ": ")
        text = json.dumps(value, ensure_ascii=self.ascii, indent=self.indent, separators=separators)
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        if self.slashes:
            text = text.replace("/", "\\/")
        # Within texts line breaks are escaped.
        return text.replace("\n", self.line_end).encode()

    def fields(self, *fields: tuple[str, bytes]) -> bytes:
        """Return fields of an object without its braces; the values are JSON."""
        return self.comma.join(b'"%b":%b%b' % (name.encode(), self.comma[1:], value) for name, value in fields)

    def document(self, value: Any) -> bytes:
        """Return a whole body."""
        return self.before.encode() + self.spell(value) + self.after.encode()

    @property
    def comma(self) -> bytes:
        """What separates two values."""
        return b"," + self.gap.encode()


PRETTY = Style(indent=2, after="\n")
# the first is the most compact, as Google sends it
STYLES = (
    Style(),
    Style(after="\n"),
    Style(indent=2, gap="\n  ", after="\n"),
    Style(ascii=True, slashes=True),
    Style(gap=" ", kind_last=True),
    Style(indent=1, line_end="\r\n", gap="\r\n", after="\r\n"),
    Style(before="\n", after=" \t\r\n", reverse=True),
    Style(ascii=True, gap="\t", kind_last=True, reverse=True),
)


def style_of(seed: int) -> Style:
    """Return the style of a seed's answers."""
    return STYLES[seed % len(STYLES)]
