"""A simulated YouTube Data API: the same answers for the same seed, with faults on demand.

It imports nothing else of harvester. The server is imported on first use, so that `make_ids` and `SimulatorProcess` do
not import aiohttp.
"""

from typing import TYPE_CHECKING, Any

from .clock import SimulatedClock
from .content.catalogue import channel_named, playlist_of_id
from .content.ids import make_ids
from .content.videos import Content, truth
from .faults import FAULT_NAMES, FaultPlan
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
    "channel_named",
    "make_ids",
    "playlist_of_id",
    "serve",
    "truth",
]


def __getattr__(name: str) -> Any:
    if name not in ("Simulator", "serve"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import server

    return getattr(server, name)
