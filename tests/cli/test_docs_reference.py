"""docs/reference.md is what the code generates, and leaves nothing out."""

from __future__ import annotations

import re
import runpy
from dataclasses import fields
from typing import Any

import click
import pyarrow as pa
import pytest
from docs_kit import DOCS, dead_links, table, text_of

from harvester.cli.program import main
from harvester.config import SECTIONS
from harvester.export.formats.arrow_schema import schema
from harvester.export.manifest import Manifest, Part

PAGE = "reference.md"
TEXT = text_of(PAGE)


@pytest.fixture(scope="module")
def generator() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "reference.py"))


def test_the_page_is_what_is_generated(generator: dict[str, Any]) -> None:
    assert generator["page"]() == TEXT, "run: python docs/reference.py"


def test_each_setting_is_there_and_the_template_explains_it(generator: dict[str, Any]) -> None:
    documented = generator["template_comments"]()
    names = [(section, name) for section, settings in SECTIONS.items() for name in settings.__struct_fields__]
    assert {key for key in names if not documented.get(key)} == set()
    assert [key for key in names if f"`HARVESTER_{key[0].upper()}__{key[1].upper()}`" not in TEXT] == []


def test_each_command_is_there_with_each_option() -> None:
    for command in main.commands.values():
        _, found, rest = TEXT.partition(f"### harvester {command.name}\n")
        assert found
        section = rest.partition("\n### ")[0]
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert f"`{parameter.opts[0]}" in section


def test_the_columns_are_those_of_the_schema() -> None:
    documented = [(name, words) for names, words in table(PAGE, "columns") for name in names.split(", ")]
    actual = [(field.name, in_words(field.type)) for field in schema()]
    assert [(name, words.replace("\\", "")) for name, words in documented] == actual


def in_words(kind: pa.DataType) -> str:
    """A type as the document writes it: the thumbnails, all alike, in one go."""
    if pa.types.is_struct(kind) and kind.num_fields > 2:
        names = ", ".join(f"`{field.name}`" for field in kind)
        (each,) = {str(field.type) for field in kind}
        return f"struct of {names}, each {each}"
    return str(kind).replace("list<item: ", "list<")


def test_the_manifests_keys_are_all_explained() -> None:
    documented = {key: says for keys, says in table(PAGE, "key") for key in keys.split(", ")}
    assert list(documented) == [field.name for field in fields(Manifest)]
    assert set(re.findall(r"`(\w+)`", documented["parts"])) == {field.name for field in fields(Part)}


def test_links_lead_somewhere() -> None:
    assert dead_links(PAGE) == []
