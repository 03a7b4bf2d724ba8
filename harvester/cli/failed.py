"""`status --failed`: a line an id, as it is read, so that no number of them fills the memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import UTC

from harvester.cli.console import on_terminal
from harvester.model import FailedId
from harvester.text import shown

_TERMINAL = "{:<11}  {:<24}  {:<20}  {}"


def list_failed(ids: Iterable[FailedId], *, as_json: bool) -> None:
    """Columns for a person, tabs for `cut` and `sort`, or an object a line."""
    terminal = on_terminal() and not as_json
    out = sys.stdout
    number = 0
    for number, failed in enumerate(ids, 1):
        if number == 1 and terminal:
            out.write(_TERMINAL.format("id", "reason", "when", "attempts") + "\n")
        out.write((_json(failed) if as_json else _columns(failed, terminal)) + "\n")
    if terminal:
        out.write(f"{number:,} failed.\n" if number else "No id has failed.\n")
    out.flush()


def _columns(failed: FailedId, terminal: bool) -> str:
    cells = (shown(failed.video_id), shown(failed.reason, 24 if terminal else 300), _when(failed), str(failed.attempts))
    return _TERMINAL.format(*cells) if terminal else "\t".join(cells)


def _json(failed: FailedId) -> str:
    # What isn't ASCII is written as an escape: nothing in it acts on a terminal.
    return json.dumps(
        {
            "id": failed.video_id,
            "reason": failed.reason,
            "http_status": failed.http_status,
            "failed_at": _when(failed),
            "attempts": failed.attempts,
        }
    )


def _when(failed: FailedId) -> str:
    return failed.failed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
