"""What the options before the command say, and the harvester that they lead to."""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harvester.app import Harvester
    from harvester.config import Config


@dataclass(frozen=True)
class State:
    config_path: Path | None
    verbosity: int
    """Above 0: say more; below: only what is wrong."""
    log_format: str | None

    def with_option(self, name: str, value: Any) -> State:
        """This state with the value of one more of the global options, which `name` names."""
        if name in ("verbose", "quiet"):
            return replace(self, verbosity=self.verbosity + (value if name == "verbose" else -value))
        return replace(self, **{"config_path" if name == "config" else name: value})

    def config(self, **overrides: dict[str, Any]) -> Config:
        """The settings; `overrides` are options, a section each."""
        from harvester.cli.shared.logs import set_up_logging
        from harvester.config import find_config, load_config

        config = load_config(find_config(self.config_path), overrides | {"log": {"format": self.log_format}})
        set_up_logging(config.log, self.verbosity)
        return config

    def harvester(self, **overrides: dict[str, Any]) -> Harvester:
        # Nothing that is imported here becomes garbage: to search it for some, now or later, is an eighth of `status`.
        gc.disable()
        try:
            from harvester.app import Harvester

            return Harvester(self.config(**overrides))
        finally:
            gc.freeze()
            gc.enable()
