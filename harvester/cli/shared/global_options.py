"""The global options, and the Harvester that they configure."""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harvester.app import Harvester
    from harvester.config import Config


@dataclass(frozen=True)
class GlobalOptions:
    config_path: Path | None
    verbosity: int
    """Above 0: more log lines; below 0: only warnings."""
    log_format: str | None

    def with_option(self, name: str, value: Any) -> GlobalOptions:
        """Return these options with the option `name` set."""
        if name in ("verbose", "quiet"):
            return replace(self, verbosity=self.verbosity + (value if name == "verbose" else -value))
        return replace(self, **{"config_path" if name == "config" else name: value})

    def config(self, **overrides: dict[str, Any]) -> Config:
        """Load the settings; `overrides` are options by section."""
        from harvester.cli.shared.logs import set_up_logging
        from harvester.config import find_config, load_config

        config = load_config(find_config(self.config_path), overrides | {"log": {"format": self.log_format}})
        set_up_logging(config.log, self.verbosity)
        return config

    def harvester(self, **overrides: dict[str, Any]) -> Harvester:
        # Imported modules never become garbage. Searching them for it would take an eighth of the time of `status`.
        gc.disable()
        try:
            from harvester.app import Harvester

            return Harvester(self.config(**overrides))
        finally:
            gc.freeze()
            gc.enable()
