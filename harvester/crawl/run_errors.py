"""The errors that end a run. Pure."""

from __future__ import annotations

from harvester.crawl.batch_source import BatchSource
from harvester.errors import ApiUnavailable, ConfigError, CredentialsError, HarvesterError
from harvester.model import Outcome, Verdict
from harvester.youtube.refusal_advice import advice


def api_down(fault: Outcome, patience_seconds: float, batches: BatchSource) -> HarvesterError:
    """The error for an API that gave no good answer for `patience_seconds`."""
    return ApiUnavailable(
        f"The API has not given one good answer in {patience_seconds:.0f} s; the last call ended "
        f"with {fault.reason}{f' ({fault.message})' if fault.message else ''}.",
        state=f"All that was fetched is stored; {batches.released_note}, and budget is left.",
        next_step=f"Run {batches.command} again later: it continues where it stopped.",
    )


def all_refused(fault: Outcome, times: int, batches: BatchSource) -> HarvesterError:
    """The error for `times` batches in a row, or a known id, that were refused or got unacceptable answers."""
    why = f"{fault.reason} {fault.message}".rstrip()
    state = f"The run was stopped before it cost more; {batches.released_note}."
    if fault.verdict is Verdict.UNACCEPTABLE:
        return ApiUnavailable(
            f"{times} answers of the API in a row can't be accepted: {why}.",
            state=state,
            next_step=f"See that youtube.base_url is the API's address, then run {batches.command} again later.",
        )
    next_step = "See the API's sentence above and the [youtube] settings."
    if fault.http_status == 404:
        next_step = "There may be no API at youtube.base_url: see that setting."
    return ConfigError(f"The API refused {times} batches in a row: {why}", state=state, next_step=next_step)


def misconfigured(fault: Outcome, batches: BatchSource) -> HarvesterError:
    """The error for a key, a setting or a network by which no batch will be answered."""
    what = "The API refuses to answer this key" if fault.sent else "The API can't be reached"
    return (CredentialsError if fault.sent else ConfigError)(
        f"{what} ({fault.reason}): {fault.message}".rstrip(": "),
        state=f"Nothing is lost; {batches.released_note}.",
        next_step=advice(fault),
    )
