"""What a perfect harvester must find out about an id."""

from typing import Literal

from .content import MISSING_SHARE, Content
from .faults import FaultLevel, FaultPlan

TrueState = Literal["fetched", "missing", "failed"]


def truth(video_id: str, seed: int = 0, faults: FaultLevel = "none", missing_share: float = MISSING_SHARE) -> TrueState:
    """The state in which `video_id` ends, whatever befalls the calls; "failed" is for poison videos."""
    if FaultPlan(faults, seed).is_poison(video_id):
        return "failed"
    return "fetched" if Content(seed, missing_share).exists(video_id) else "missing"
