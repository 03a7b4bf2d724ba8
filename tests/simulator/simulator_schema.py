"""A strict reader of discovery schemas: says what in a value the API's own description does not allow."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import googleapiclient

TYPES = {"string": str, "boolean": bool, "integer": int, "number": float, "object": dict, "array": list}


def discovery_document() -> dict[str, Any]:
    folder = Path(googleapiclient.__file__).parent
    return json.loads((folder / "discovery_cache" / "documents" / "youtube.v3.json").read_text())


def problems(value: Any, name: str, schemas: dict[str, Any]) -> list[str]:
    """Every breach of schema `name` in `value`; unknown keys are breaches."""
    return list(_check(value, {"$ref": name}, schemas, name))


def _check(value: Any, schema: dict[str, Any], schemas: dict[str, Any], path: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    kind = schema["type"]
    if not isinstance(value, TYPES[kind]) or (kind == "integer" and isinstance(value, bool)):
        yield f"{path}: {value!r} is no {kind}"
    elif kind == "object":
        yield from _check_object(value, schema, schemas, path)
    elif kind == "array":
        for index, item in enumerate(value):
            yield from _check(item, schema["items"], schemas, f"{path}[{index}]")
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    elif not _fits(value, schema.get("format")):
        yield f"{path}: {value!r} is no {schema['format']}"


def _check_object(value: dict[str, Any], schema: dict[str, Any], schemas: dict[str, Any], path: str) -> Iterator[str]:
    known = schema.get("properties", {})
    for key, item in value.items():
        inner = known.get(key, schema.get("additionalProperties"))
        if inner is None:
            yield f"{path}: unknown key {key}"
        else:
            yield from _check(item, inner, schemas, f"{path}.{key}")


def _fits(value: Any, form: str | None) -> bool:
    match form:
        case None:
            return True
        case "uint64":
            return re.fullmatch(r"0|[1-9][0-9]*", value) is not None and int(value) < 2**64
        case "int32" | "uint32":
            return -(2**31) <= value < 2**32
        case "date-time":
            return value.endswith("Z") and datetime.fromisoformat(value) is not None
    raise AssertionError(f"no rule for the format {form}")
