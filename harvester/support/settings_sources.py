"""Settings from a file, and from the environment: `HARVESTER_<SECTION>__<KEY>`. Every error says what to do."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from harvester.errors import ConfigError
from harvester.support.sanitize import did_you_mean, shown
from harvester.support.settings import (
    ENV_PREFIX,
    NOTHING_DONE,
    Sections,
    from_text,
    kinds_of,
    settings_of,
    variable_of,
)


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
