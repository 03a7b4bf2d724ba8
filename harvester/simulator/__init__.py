"""A simulated YouTube Data API: the same answers for the same seed, with faults on demand.

It imports nothing else of harvester. The server, which imports aiohttp, is in `harvester.simulator.server`.
"""

from .clock import SimulatedClock
from .content.catalogue import channel_named, playlist_of_id
from .content.ids import make_ids
from .content.videos import Content, truth
from .faults import FAULT_NAMES, FaultPlan
from .process import SimulatorProcess
from .settings import SimulatorSettings

__all__ = [
    "FAULT_NAMES",
    "Content",
    "FaultPlan",
    "SimulatedClock",
    "SimulatorProcess",
    "SimulatorSettings",
    "channel_named",
    "make_ids",
    "playlist_of_id",
    "truth",
]
