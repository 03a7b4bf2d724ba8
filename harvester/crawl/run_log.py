"""Log lines of a run, with fields that a JSON log shows beside the message."""

from __future__ import annotations

import logging

from harvester.model import Batch


class RunLog:
    """Writes to `logger` with the run's id as a field; lines about a call carry the call's fields too."""

    def __init__(self, logger: logging.Logger, run_id: int) -> None:
        self._logger = logger
        self._run_id = run_id

    def run(self, level: int, message: str, *args: object, **fields: object) -> None:
        """Log a line about the run, with `fields`."""
        if self._logger.isEnabledFor(level):
            self._logger.log(level, message, *args, extra={"run_id": self._run_id, **fields})

    def call(self, level: int, batch: Batch, reason: str, message: str, *args: object) -> None:
        """Log a line about the call of `batch`, whose answer is `reason`: "ok", or why it brought nothing."""
        if self._logger.isEnabledFor(level):
            self.run(
                level,
                message,
                *args,
                call_id=batch.call_id,
                quota_day=batch.quota_day.isoformat(),
                units=batch.units,
                attempt=batch.attempt,
                reason=reason,
            )
