"""Settings from a file, and from the environment: `HARVESTER_<SECTION>__<KEY>`. Every error says what to do."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harvester.errors import ConfigError
from harvester.support.sanitize import did_you_mean, shown

if TYPE_CHECKING:
    from pydantic import BaseModel

ENV_PREFIX = "HARVESTER_"
NOTHING_DONE = "Nothing was done."
"""The state of the data when settings are refused."""


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


def merged(*layers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Merge the sections of all layers; later ones take precedence."""
    sections: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for section, keys in layer.items():
            sections[section] = {**sections.get(section, {}), **keys}
    return sections


def settings_of(config: type[BaseModel]) -> list[str]:
    """`quota.daily_units` and all others."""
    sections = {name: field.default for name, field in config.model_fields.items()}
    return [f"{name}.{key}" for name, section in sections.items() for key in type(section).model_fields]


def variable_of(setting: str) -> str:
    """The variable of `quota.daily_units`: `HARVESTER_QUOTA__DAILY_UNITS`."""
    return ENV_PREFIX + setting.replace(".", "__").upper()


def read_environment(config: type[BaseModel]) -> dict[str, Any]:
    """Return the settings in the environment. Raises ConfigError for variables that are none of them."""
    any_set = False
    for name in os.environ:
        upper = name.upper()
        if not upper.startswith(ENV_PREFIX):
            continue
        section = upper.removeprefix(ENV_PREFIX).partition("__")[0].lower()
        if section in config.model_fields:
            any_set = True
        elif "__" in upper:
            raise _unknown_variable(f"{name}: there is no section [{section}].", upper, config)
        elif upper in (variable.replace("__", "_") for variable in map(variable_of, settings_of(config))):
            raise _unknown_variable(f"{name}: there is no such setting.", upper, config)
    return _read_variables(config) if any_set else {}


def _unknown_variable(what: str, name: str, config: type[BaseModel]) -> ConfigError:
    what += did_you_mean(name, map(variable_of, settings_of(config)))
    return ConfigError(what, state=NOTHING_DONE, next_step="Unset or rename the variable.")


def _read_variables(config: type[BaseModel]) -> dict[str, Any]:
    # Imported only if there is such a variable.
    from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

    class _Variables(config, BaseSettings):  # type: ignore[valid-type, misc]
        """The variables of the environment that are settings."""

        model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter="__", env_ignore_empty=True)

    try:
        return EnvSettingsSource(_Variables)()
    except SettingsError as error:
        raise ConfigError(
            f"A HARVESTER_ variable cannot be read: {error}.",
            state=NOTHING_DONE,
            next_step="Unset the variable, or give it a value as config.toml would hold it.",
        ) from None
