"""A simulated YouTube Data API: the same answers for the same seed, with faults on demand.

It stands alone: nothing here knows the harvester. The server is imported when first asked for, so that `make_ids` or
`SimulatorProcess` do not cost the import of aiohttp.
"""

from typing import TYPE_CHECKING, Any

from .clock import SimulatedClock
from .content import Content, truth
from .faults import FAULT_NAMES, FaultPlan
from .ids import make_ids
from .process import SimulatorProcess
from .settings import SimulatorSettings

if TYPE_CHECKING:
    from .server import Simulator, serve

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


def __getattr__(name: str) -> Any:
    if name not in ("Simulator", "serve"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import server

    return getattr(server, name)
