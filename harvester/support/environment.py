"""Settings from the environment: `HARVESTER_<SECTION>__<KEY>`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from harvester.errors import ConfigError
from harvester.support.did_you_mean import did_you_mean
from harvester.support.toml_file import NOTHING_DONE

if TYPE_CHECKING:
    from pydantic import BaseModel

ENV_PREFIX = "HARVESTER_"


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
