"""No message says "1 videos": a number and its noun are written by `count`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import harvester

PACKAGE = Path(harvester.__file__).parent
NOUN = re.compile(r" (\w+ )?(ids|videos|calls|units|rows|responses|days|hours|runs|parts|columns|addresses)\b")


def numbers_before_plurals(tree: ast.AST) -> Iterator[str]:
    for text in (node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)):
        for value, after in zip(text.values, text.values[1:], strict=False):
            if not isinstance(value, ast.FormattedValue) or not isinstance(after, ast.Constant):
                continue
            number = ast.unparse(value.value)
            # A constant is more than one; what is no number, as a name or a text, has no thousands and no length.
            counted = value.format_spec is not None or number.startswith(("len(", "sum("))
            if counted and not number.isupper() and NOUN.match(str(after.value)):
                yield f"{number}{after.value}"


def test_no_number_stands_before_a_plural() -> None:
    found = {
        str(path.relative_to(PACKAGE)): list(numbers_before_plurals(ast.parse(path.read_text(encoding="utf-8"))))
        for path in PACKAGE.rglob("*.py")
    }
    assert {path: texts for path, texts in found.items() if texts} == {}
