"""What the rest of harvester may ask of a ledger, whatever database holds it.

`Ledger` is written by a run; `LedgerReader` only reads, in a process that may not write at all. `now` is always an
argument: the ledger owns no clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from typing import Protocol

from harvester.ledger.load_records import LoadRecord, Removal
from harvester.model import (
    EVERYTHING,
    Addition,
    Batch,
    Body,
    Budget,
    Denied,
    FailedId,
    FaultCount,
    GiveBack,
    OldResponse,
    Outcome,
    PartsAsked,
    ProcessIdentity,
    Progress,
    QuotaDay,
    ResponseSize,
    RunRecord,
    Span,
    Stored,
    StoredResponse,
    VideoState,
    Whereabouts,
)


class Ledger(Protocol):
    """Every method is one transaction: it happened whole and is on disk, or it did not happen."""

    async def open_run(self, process: ProcessIdentity, now: datetime, lease_until: datetime) -> int:
        """Enter a run; its id."""
        ...

    async def renew_lease(self, run_id: int, lease_until: datetime) -> None: ...

    def hurry(self) -> None:
        """From now on, wait for no server that is away nor for a lock of another process: what needs it fails."""
        ...

    async def close_run(self, run_id: int, now: datetime, reason: str) -> None:
        """Give back what the run still holds, and note why it ended."""
        ...

    async def recover(self, process: ProcessIdentity, now: datetime) -> int:
        """Take back the claims of dead runs: immediately where the process was on this host, after its lease elsewhere.

        Their units stay spent. Returns how many calls were abandoned.
        """
        ...

    async def claim(
        self, run_id: int, budget: Budget, now: datetime, among: Sequence[int] | None = None
    ) -> Batch | Denied:
        """Reserve the units of one call and claim its ids, together. `among` limits the choice to those positions."""
        ...

    async def claim_old(
        self, run_id: int, budget: Budget, now: datetime, old_call: int, before: datetime
    ) -> Batch | Denied:
        """Reserve the units of one call for the ids of that call's response, if it was fetched before then and nobody
        asks for them already. They stay fetched, and the response stored, until a good answer takes its place. A
        response without any video is deleted instead."""
        ...

    async def retry(self, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime) -> Batch | Denied:
        """Close the batch's call as failed and claim the same ids anew. Where that is denied they are pending again,
        or their old response stays as it was."""
        ...

    async def settle(self, batch: Batch, outcome: Outcome, now: datetime) -> bool:
        """Store a good answer and settle its ids; the response that it replaces is deleted and noted as pruned.

        False, and nothing changed, where the claim was lost meanwhile.
        """
        ...

    async def give_back(self, batch: Batch, fault: Outcome, how: GiveBack, now: datetime) -> bool:
        """Close the batch's call as failed and let its ids go; of one that was to replace a response, back to that.

        False where the claim was lost meanwhile.
        """
        ...

    async def close_day(self, day: date, now: datetime) -> None:
        """Note that the API says the day is spent: no claim on that day succeeds any more."""
        ...

    async def reopen_day(self, day: date) -> bool:
        """Take back that the API says the day is spent. False where it had not."""
        ...

    async def spend_elsewhere(self, day: date, units: int) -> None:
        """Note what others spent of the day's units, in all: no claim spends those."""
        ...

    async def open_load(self, source: str, now: datetime) -> int:
        """Enter a load of that source, which is shown to people; its id."""
        ...

    async def close_load(self, load_id: int, now: datetime) -> None:
        """Note that the load read its source to the end."""
        ...

    async def add(
        self,
        ids: Sequence[str],
        invalid: Collection[str],
        known_up_to: int,
        load_id: int | None = None,
        rows: int = 0,
    ) -> Addition:
        """Append the ids that are new, in order; `invalid` are those of them that will never be asked for.

        Of the others, those at positions up to `known_up_to` are listed. `rows`, and what is new, are added to the
        counts of the load.
        """
        ...

    async def remove(self, span: Span, which: Removal) -> dict[VideoState, int]:
        """Take those ids of `span` out of the ledger that no call has asked for; how many of each state."""
        ...

    async def last_position(self) -> int:
        """The position of the newest id, 0 in an empty ledger."""
        ...

    async def requeue(
        self, span: Span, states: Collection[VideoState], reasons: Collection[str] | None
    ) -> dict[VideoState, int]:
        """Make the failed or missing ids of `span` pending again; how many of each. Of `reasons` alone, where given:
        those why the last call of an id failed."""
        ...

    async def old_responses(
        self, before: datetime, after_call: int, most: int, parts: str | None = None
    ) -> Sequence[OldResponse]:
        """The first responses of later calls than that one which were fetched before then, by call; of those that
        asked for other parts, where `parts` is given."""
        ...

    async def prune(self, call_ids: Sequence[int], before: datetime, now: datetime) -> Stored:
        """Delete the responses of those calls that were fetched before then, and note it; the ids they hold are
        pending again, and missing ones stay missing. Calls under way that would replace one are abandoned."""
        ...

    async def progress(self) -> Progress: ...

    async def find(self, ids: Sequence[str]) -> dict[str, Whereabouts]:
        """Where those of the ids that are in the ledger stand."""
        ...

    async def bodies(self, call_ids: Sequence[int]) -> dict[int, Body]: ...

    async def close(self) -> None: ...


class LedgerReader(Protocol):
    """The reading side."""

    def share(self) -> str | None:
        """A name by which others can read from the very snapshot that is read here, for as long as this is open.

        None where the database can't do that.
        """
        ...

    def progress(self) -> Progress: ...

    def runs(self, newest: int) -> list[RunRecord]:
        """The newest runs, and all that have not ended; newest first."""
        ...

    def loads(self) -> list[LoadRecord]:
        """Every source that was read into the ledger, in order."""
        ...

    def removable(self, which: Removal) -> dict[VideoState, int]:
        """How many ids `Ledger.remove` would take out."""
        ...

    def last_position(self) -> int:
        """The position of the newest id, 0 in an empty ledger."""
        ...

    def faults(self, most: int, among_newest: int | None = None) -> list[FaultCount]:
        """Why calls brought nothing, the most frequent reason first. Of all calls, or of so many of the newest."""
        ...

    def failed(self) -> Iterator[FailedId]:
        """The ids that were given up, in load order, streamed."""
        ...

    def good_call_seconds(self, among_newest: int) -> list[float]:
        """How long the good ones of the newest calls took, from claim to settlement."""
        ...

    def newest_responses(self, count: int) -> Iterator[StoredResponse]:
        """The newest stored responses that hold any video, newest first."""
        ...

    def responses(self, span: Span = EVERYTHING) -> Iterator[StoredResponse]:
        """The stored responses whose first id lies in `span`, in load order, streamed."""
        ...

    def fetched(self, span: Span, size: int) -> Iterator[Sequence[tuple[str, int]]]:
        """The fetched ids of `span` in load order, each with the call that brought it, at most `size` at a time."""
        ...

    def unknown(self, ids: Sequence[str]) -> list[str]:
        """Those of the ids that are not in the ledger."""
        ...

    def bodies(self, call_ids: Sequence[int]) -> Iterator[StoredResponse]:
        """The stored responses of those calls, in any order."""
        ...

    def sizes(self) -> Iterator[ResponseSize]:
        """Of every stored response, in load order."""
        ...

    def totals(self) -> tuple[int, int, int]:
        """How many responses are stored, and their bytes, plain and as stored."""
        ...

    def newest_response(self) -> datetime | None:
        """When the newest stored response was fetched, or the newest statistics."""
        ...

    def pending(self, size: int) -> Iterator[tuple[str, ...]]:
        """The ids that are still to be asked for, at most `size` at a time, as a run would claim them.

        Halves of refused batches come first, each by itself; then all others in load order.
        """
        ...

    def requeueable(self, states: Collection[VideoState], reasons: Collection[str] | None) -> dict[VideoState, int]:
        """How many ids `Ledger.requeue` would make pending again."""
        ...

    def older(self, before: datetime, parts: str | None = None) -> Stored:
        """What `Ledger.prune` would delete, or `Ledger.old_responses` gives."""
        ...

    def calls_to_refresh(self, before: datetime, parts: str | None = None) -> int:
        """How many of those responses hold any video."""
        ...

    def other_parts(self, parts: str) -> int:
        """How many of the stored responses were surely asked for with other parts than these."""
        ...

    def parts_asked(self) -> list[PartsAsked]:
        """Which parts the stored responses were asked for with."""
        ...

    def older_statistics(self, before: datetime) -> Stored:
        """Of how many responses, and videos, the newest statistics were fetched before then."""
        ...

    def left_for_statistics(self, day: date, daily_units: int) -> int:
        """What that day still allows of so many units for statistics, which are a quota of their own."""
        ...

    def statistics_days(self) -> list[QuotaDay]:
        """The days of that quota on which anything was spent, oldest first: units and calls alone."""
        ...

    def has_statistics(self) -> bool:
        """Whether any statistics were fetched by themselves."""
        ...

    def statistics(self, call_ids: Sequence[int]) -> Iterator[StoredResponse]:
        """The statistics of those calls' responses that were fetched by themselves, in any order."""
        ...

    def oldest_response(self) -> datetime | None:
        """When the response of the earliest call was fetched: later ones are hardly ever older."""
        ...

    def findings(self) -> list[str]:
        """What does not balance, a sentence each; empty where every promise about the stored data holds."""
        ...

    def close(self) -> None: ...
