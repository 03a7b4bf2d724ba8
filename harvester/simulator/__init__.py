"""A simulated YouTube Data API: the same answers for the same seed, with faults on demand.

It stands alone: nothing here knows the harvester. Names are imported when first asked for, so that
`make_ids` or `SimulatorProcess` do not cost the import of a web server.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .clock import SimulatedClock
    from .content import Content
    from .fates import truth
    from .faults import FAULT_NAMES, FaultPlan
    from .ids import make_ids
    from .process import SimulatorProcess
    from .server import Simulator, serve
    from .settings import SimulatorSettings

__all__ = [
    "FAULT_NAMES",
    "Content",
    "FaultPlan",
    "SimulatedClock",
    "Simulator",
    "SimulatorProcess",
    "SimulatorSettings",
    "make_ids",
    "serve",
    "truth",
]

_HOMES = {
    "FAULT_NAMES": "faults",
    "Content": "content",
    "FaultPlan": "faults",
    "SimulatedClock": "clock",
    "Simulator": "server",
    "SimulatorProcess": "process",
    "SimulatorSettings": "settings",
    "make_ids": "ids",
    "serve": "server",
    "truth": "fates",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value
