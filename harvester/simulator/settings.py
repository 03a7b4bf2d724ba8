"""The settings of a simulator."""

from dataclasses import dataclass
from datetime import datetime

from .faults import LEVELS, FaultLevel


@dataclass(frozen=True)
class SimulatorSettings:
    """One simulator. Latency is in real seconds; days and quotas follow the simulated clock.

    port: 0 for a free one. faults: "none", "mild" or "hostile". valid_key: any key if None. per_minute_calls: no limit
    if None. clock_start: the system's time if None. page_token_days: how many days a page token outlives its own.
    """

    port: int = 0
    seed: int = 0
    faults: FaultLevel = "none"
    daily_units: int = 10_000
    units_per_call: int = 11
    per_minute_calls: int | None = None
    missing_share: float = 0.07
    valid_key: str | None = None
    latency_seconds: float = 0.0
    clock_start: datetime | None = None
    clock_speed: float = 1.0
    page_token_days: int = 1

    def __post_init__(self) -> None:
        if self.faults not in LEVELS:
            raise ValueError(f"no fault level {self.faults!r}: one of {', '.join(LEVELS)}")
        if self.clock_start is not None and self.clock_start.tzinfo is None:
            raise ValueError("clock_start needs a time zone")
        if self.clock_speed <= 0 or self.latency_seconds < 0:
            raise ValueError("clock_speed must be above 0, latency_seconds not below")
        if self.units_per_call < 1 or self.daily_units < 0 or self.page_token_days < 0:
            raise ValueError("units_per_call must be at least 1, daily_units and page_token_days not below 0")
