"""docs/reference.md is what the code generates, and leaves nothing out."""

from __future__ import annotations

import runpy
from typing import Any

import click
import pytest
from docs_kit import DOCS, text_of

from harvester.cli import main
from harvester.config import Config

TEXT = text_of("reference.md")


@pytest.fixture(scope="module")
def generator() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "reference.py"))


def test_the_page_is_what_is_generated(generator: dict[str, Any]) -> None:
    assert generator["page"]() == TEXT, "run: python docs/reference.py"


def test_each_setting_is_there_and_the_template_explains_it(generator: dict[str, Any]) -> None:
    told = generator["template_comments"]()
    names = [
        (section, name)
        for section, field in Config.model_fields.items()
        for name in field.annotation.model_fields  # type: ignore[union-attr]
    ]
    assert {key for key in names if not told.get(key)} == set()
    assert [key for key in names if f"`HARVESTER_{key[0].upper()}__{key[1].upper()}`" not in TEXT] == []


def test_each_command_is_there_with_each_option() -> None:
    for command in main.commands.values():
        _, found, rest = TEXT.partition(f"### harvester {command.name}\n")
        assert found
        section = rest.partition("\n### ")[0]
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert f"`{parameter.opts[0]}" in section
