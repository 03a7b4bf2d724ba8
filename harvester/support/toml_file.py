"""Read the settings' file. Every error says what to do."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harvester.errors import ConfigError
from harvester.support.sanitize import shown

NOTHING_DONE = "Nothing was done."
"""The state of the data when settings are refused."""


def read_toml(path: Path) -> dict[str, Any]:
    """Parse the file. Raises ConfigError if it is missing, can't be read or is not TOML."""
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


def merged(*layers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Merge the sections of all layers; later ones take precedence."""
    sections: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for section, keys in layer.items():
            sections[section] = {**sections.get(section, {}), **keys}
    return sections
