"""Read settings from a file and the environment, and turn them into sections, which are msgspec structs.

Every error says what to do; all problems of the values are told at once.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from harvester.errors import ConfigError
from harvester.support.sanitize import did_you_mean, shown
from harvester.support.secret import Secret

ENV_PREFIX = "HARVESTER_"
NOTHING_DONE = "Nothing was done."
"""The state of the data when settings are refused."""

Sections = Mapping[str, type[msgspec.Struct]]

_TRUTHS = {"true": True, "t": True, "yes": True, "y": True, "on": True, "1": True}
_TRUTHS |= {"false": False, "f": False, "no": False, "n": False, "off": False, "0": False}
"""What a variable of the environment may say of a truth value."""
_WORDS = {"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false", "array": "a list"}
"""msgspec's names of types."""


class Problem(NamedTuple):
    """What is wrong with a setting."""

    key: str
    """`run.concurrency`, the name of a section, or empty."""
    message: str


def read_toml(path: Path) -> dict[str, Any]:
    """Parse the settings' file. Raises ConfigError if it is missing, can't be read or is not TOML."""
    name = shown(str(path))
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        what, step = f"There is no configuration at {name}.", "Run harvester init to write one."
    except OSError as error:
        what = f"{name} cannot be read: {error.strerror}."
        step = "Let it be a file that this user may read, or name another: harvester --config PATH."
    except UnicodeDecodeError as error:
        what = f"{name} is not valid TOML: it is no UTF-8 ({shown(error.reason)}, byte {error.start})."
        step = "Save it as UTF-8 and run the command again."
    except tomllib.TOMLDecodeError as error:
        what = f"{name} is not valid TOML: {shown(str(error))}."
        step = "Fix it there and run the command again; a text stands in quotation marks."
    raise ConfigError(what, state=NOTHING_DONE, next_step=step)


def read_environment(sections: Sections) -> dict[str, dict[str, Any]]:
    """Return the settings in the environment; an empty variable is none.

    Raises ConfigError for variables that belong to no section, UnicodeEncodeError for values that are no UTF-8.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, text in os.environ.items():
        upper = name.upper()
        if not upper.startswith(ENV_PREFIX):
            continue
        section, nested, key = upper.removeprefix(ENV_PREFIX).lower().partition("__")
        if nested and section not in sections:
            raise _unknown_variable(f"{name}: there is no section [{section}].", upper, sections)
        if nested and text:
            text.encode()
            kind = kinds_of(sections[section]).get(key, str)
            found.setdefault(section, {})[key] = from_text(text, kind)
        elif not nested and section in sections:
            what = f"{name}: there is no such setting, only HARVESTER_{section.upper()}__<KEY>."
            raise _unknown_variable(what, upper, {section: sections[section]})
        elif _lacks_an_underscore(upper, sections):
            raise _unknown_variable(f"{name}: there is no such setting.", upper, sections)
    return found


def _lacks_an_underscore(name: str, sections: Sections) -> bool:
    return name in (variable_of(setting).replace("__", "_") for setting in settings_of(sections))


def _unknown_variable(what: str, name: str, sections: Sections) -> ConfigError:
    what += did_you_mean(name, map(variable_of, settings_of(sections)))
    return ConfigError(what, state=NOTHING_DONE, next_step="Unset or rename the variable.")


def build(sections: Sections, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the sections that `values` has, `{section: {key: value}}`, and all that is wrong with them."""
    built: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, keys in values.items():
        if name not in sections:
            problems.append(_no_such(sections, name))
        elif not isinstance(keys, Mapping):
            problems.append(Problem(name, f"must be a section: [{name}]"))
        else:
            checked, wrong = _checked(sections, name, keys)
            problems += wrong
            try:
                # Values contradict each other only where each is right.
                built[name] = None if wrong else sections[name](**checked)
            except ValueError as error:
                problems.append(Problem(name, str(error)))
    return built, problems


def _checked(sections: Sections, name: str, keys: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    checked, problems = {}, []
    kinds = kinds_of(sections[name])
    for key, value in keys.items():
        setting = f"{name}.{key}"
        if key not in kinds:
            problems.append(_no_such(sections, setting))
            continue
        try:
            checked[key] = _convert(value, kinds[key])
        except msgspec.ValidationError as error:
            problems.append(Problem(setting, _in_words(str(error))))
        except ValueError as error:
            problems.append(Problem(setting, str(error)))
    return checked, problems


def _in_words(message: str) -> str:
    """Return msgspec's message as people would say it: "must be a whole number, not a text"."""
    message = re.sub(r"`([^`]+)`", lambda kinds: _WORDS.get(kinds[1].removesuffix(" | null"), kinds[0]), message)
    return message.replace("Expected ", "must be ").replace(", got ", ", not ")


def _convert(value: Any, kind: Any) -> Any:
    """Return the value as the setting's type. No text is a number, and no number a truth value.

    A function in the type's `Annotated` is given the value, and returns it or raises ValueError with what is wrong.
    """
    choices = choices_of(kind)
    if choices and isinstance(value, str) and value not in choices:
        wanted = f"must be {', '.join(choices[:-1])} or {choices[-1]}, not {shown(value)!r}."
        raise ValueError(wanted + did_you_mean(value, choices))
    converted = msgspec.convert(value, kind, dec_hook=_secret)
    for each in (kind, *get_args(kind)) if converted is not None else ():
        for check in filter(callable, getattr(each, "__metadata__", ())):
            converted = check(converted)
    return converted


def choices_of(kind: Any) -> list[str]:
    """The values that a setting of this type may have; empty if there are too many to name."""
    return [choice for each in (kind, *get_args(kind)) if get_origin(each) is Literal for choice in get_args(each)]


def _secret(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise msgspec.ValidationError("Expected `str`")


def from_text(text: str, kind: Any) -> Any:
    """Return the value that a variable of the environment stands for: lists are JSON. What fits no type stays a
    text."""
    kinds = {get_origin(each) or each for each in _plain(kind)}
    try:
        if bool in kinds:
            return _TRUTHS.get(text.strip().lower(), text)
        if int in kinds:
            return int(text)
        if float in kinds:
            return float(text)
        return json.loads(text) if tuple in kinds else text
    except ValueError:
        return text


def _plain(kind: Any) -> Iterator[Any]:
    """Yield the types of a union, without what `Annotated` adds."""
    inner = getattr(kind, "__origin__", kind) if hasattr(kind, "__metadata__") else kind
    args = get_args(inner)
    if args and get_origin(inner) not in (tuple, Literal):
        for each in args:
            yield from _plain(each)
    else:
        yield inner


def _no_such(sections: Sections, key: str) -> Problem:
    return Problem(key, f"there is no such setting.{did_you_mean(key, [*settings_of(sections), *sections])}")


@cache
def kinds_of(section: type[msgspec.Struct]) -> dict[str, Any]:
    """The types of a section's settings, with their limits."""
    return get_type_hints(section, include_extras=True)


def settings_of(sections: Sections) -> list[str]:
    """`quota.daily_units` and all others."""
    return [f"{name}.{key}" for name, section in sections.items() for key in section.__struct_fields__]


def variable_of(setting: str) -> str:
    """The variable of `quota.daily_units`: `HARVESTER_QUOTA__DAILY_UNITS`."""
    return ENV_PREFIX + setting.replace(".", "__").upper()


def merged(*layers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Merge the sections of all layers; later ones take precedence."""
    sections: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for section, keys in layer.items():
            sections[section] = {**sections.get(section, {}), **keys}
    return sections
