"""The interface of a ledger in either database.

`Ledger` is for runs, which write; `LedgerReader` only reads, in a process that may not write at all. The ledger owns no
clock: `now` is always an argument. Every instant (`now`, `before`) is an aware datetime, every `day` a quota day.

Every method of both raises LedgerUnavailable where the ledger can't be had for now (locked, disk full, server away),
LedgerUnusable where it is no ledger of this version or may not be written, and LedgerDamaged where it can't be read.
What a method raises besides is said there.
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
    BatchKind,
    Body,
    Bucket,
    Budget,
    Denied,
    FailedId,
    FaultCount,
    GiveBack,
    IdRecord,
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
)


class Ledger(Protocol):
    """The writing side. Every method that changes anything is one transaction: it is on disk whole, or not at all."""

    async def open_run(self, process: ProcessIdentity, now: datetime, lease_until: datetime) -> int:
        """Enter a run of this process, whose claims are its own until `lease_until`. Returns its id."""
        ...

    async def renew_lease(self, run_id: int, lease_until: datetime) -> None:
        """Keep the run's claims its own until `lease_until`; a run that was taken for dead is alive again."""
        ...

    def stop_waiting(self) -> None:
        """Stop waiting, from now on, for a server that is away or a lock of another process: methods raise instead."""
        ...

    async def close_run(self, run_id: int, now: datetime, reason: str) -> None:
        """End the run: abandon its open calls, and note in a few words why it ended."""
        ...

    async def recover(self, process: ProcessIdentity, now: datetime) -> int:
        """Take back the claims of dead runs: immediately where the process was on the host of `process`, after the
        lease elsewhere.

        Their units stay spent. Returns how many calls were abandoned.
        """
        ...

    async def claim(
        self, run_id: int, budget: Budget, now: datetime, among: Sequence[int] | None = None
    ) -> Batch | Denied:
        """Claim up to 50 pending ids for one call and reserve its units, together.

        Halves of refused batches come first, then ids in load order. `among`: only ids at these positions. Returns
        the batch, of kind HARVEST, or why there is none; then nothing was changed.
        """
        ...

    async def claim_old(
        self,
        run_id: int,
        budget: Budget,
        now: datetime,
        of_call: int,
        before: datetime,
        kind: BatchKind = BatchKind.REFRESH,
    ) -> Batch | Denied:
        """Reserve the units of one call for the ids of a stored response: to replace it, or to store their statistics.

        `of_call` is the response's call. It has to be fetched before `before`, or its newest statistics, and no call
        under way may ask for the same. The ids stay fetched. A refresh deletes a response without any video instead.
        `budget` is of the endpoint that `kind` needs. Returns the batch, of this kind, or why there is none.
        """
        ...

    async def retry(self, run_id: int, batch: Batch, fault: Outcome, budget: Budget, now: datetime) -> Batch | Denied:
        """Close the batch's call as failed, and reserve the units of another call for the same ids.

        Returns the batch by its new call. Denied: claimed ids are pending again, a stored response is as it was;
        CLAIM_LOST: the claim had been taken back before, and nothing was changed.
        """
        ...

    async def settle(self, batch: Batch, outcome: Outcome, now: datetime) -> bool:
        """Store a good answer and settle its ids, as the batch's kind means it.

        HARVEST: they are fetched or missing. REFRESH: likewise, and the old response is deleted and noted as pruned.
        STATISTICS: they stay as they are, and older statistics of the response are deleted. Returns False where the
        claim, or the response that the statistics are of, was lost meanwhile: then nothing is stored.
        """
        ...

    async def give_back(self, batch: Batch, fault: Outcome, how: GiveBack, now: datetime) -> bool:
        """Close the batch's call as failed, and release, split or fail its ids, as `how` says.

        Ids that the batch did not claim stay fetched. The units of a request that was never sent go back to the day.
        Returns False where the claim was lost meanwhile, and nothing was changed.
        """
        ...

    async def close_day(self, day: date, now: datetime, bucket: Bucket = "default") -> None:
        """Note that the API says the day's quota is spent: no claim of that bucket succeeds on that day any more."""
        ...

    async def reopen_day(self, day: date, bucket: Bucket = "default") -> bool:
        """Reopen a closed day. Returns False where the day was not closed."""
        ...

    async def spend_elsewhere(self, day: date, units: int, bucket: Bucket = "default") -> None:
        """Note that others spent so many of the day's units in all, which no claim spends; it replaces what was noted
        before."""
        ...

    async def open_load(self, source: str, now: datetime) -> int:
        """Enter a load of `source`, a text for people. Returns its id."""
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
        """Append the ids that are new, in order; those of `invalid` will never be asked for.

        `rows`, the rows of the source that were read for them, and what is new are added to the counts of the load.
        Returns how many are new, and which of the others stand at positions up to `known_up_to`.
        """
        ...

    async def remove(self, span: Span, which: Removal) -> dict[VideoState, int]:
        """Take ids of `span` out of the ledger that no call has asked for. Returns how many of each state."""
        ...

    async def last_position(self) -> int:
        """Return the position of the newest id, 0 in an empty ledger."""
        ...

    async def requeue(
        self, span: Span, states: Collection[VideoState], reasons: Collection[str] | None
    ) -> dict[VideoState, int]:
        """Make the failed or missing ids of `span` pending again. Returns how many of each of `states`.

        `reasons`: only ids whose last call failed for one of them.
        """
        ...

    async def old_responses(
        self,
        before: datetime,
        after_call: int,
        limit: int,
        parts: str | None = None,
        kind: BatchKind = BatchKind.REFRESH,
    ) -> Sequence[OldResponse]:
        """Return up to `limit` stored responses of calls after `after_call` that were fetched before `before`, by call.

        `parts`: only those that asked for other parts, comma-separated. Of kind STATISTICS, those with videos whose
        newest statistics are older.
        """
        ...

    async def prune(self, call_ids: Sequence[int], before: datetime, now: datetime) -> Stored:
        """Delete the responses of those calls that were fetched before `before`, with their statistics, and note it.

        Their fetched ids are pending again, missing ones stay missing; calls under way that would replace one are
        abandoned. Returns what was deleted.
        """
        ...

    async def progress(self) -> Progress:
        """Return the counts by state, and the days of the default bucket."""
        ...

    async def find(self, ids: Sequence[str]) -> dict[str, IdRecord]:
        """Return position, state and last call of those of the ids that are in the ledger."""
        ...

    async def bodies(self, call_ids: Sequence[int]) -> dict[int, Body]:
        """Return the stored bodies of those calls that have one, by call."""
        ...

    async def close(self) -> None:
        """Wait for what is under way, then close all connections."""
        ...


class LedgerReader(Protocol):
    """The reading side: one snapshot of the ledger, however long it is read."""

    def share(self) -> str | None:
        """Return a name by which others can read from the very snapshot that is read here, while this is open.

        None where the database can't do that.
        """
        ...

    def progress(self) -> Progress:
        """Return the counts by state, and the days of the default bucket."""
        ...

    def days(self, bucket: Bucket) -> list[QuotaDay]:
        """Return the quota days of that bucket, oldest first."""
        ...

    def day(self, bucket: Bucket, day: date) -> QuotaDay:
        """Return that quota day; one on which nothing was spent where the ledger has none."""
        ...

    def runs(self, newest: int) -> list[RunRecord]:
        """Return so many of the newest runs, and all that have not ended; newest first."""
        ...

    def loads(self) -> list[LoadRecord]:
        """Return every source that was read into the ledger, in order."""
        ...

    def removable(self, which: Removal) -> dict[VideoState, int]:
        """Return how many ids of each state `Ledger.remove` would take out."""
        ...

    def last_position(self) -> int:
        """Return the position of the newest id, 0 in an empty ledger."""
        ...

    def faults(self, limit: int, among_newest: int | None = None) -> list[FaultCount]:
        """Return why calls for videos brought nothing, up to `limit` reasons, the most frequent first.

        `among_newest`: of so many of the newest calls. None: of all.
        """
        ...

    def failed(self) -> Iterator[FailedId]:
        """Yield the ids that were given up, in load order, streamed."""
        ...

    def good_call_seconds(self, among_newest: int) -> list[float]:
        """Return how many seconds the good ones of so many of the newest calls took, from claim to settlement."""
        ...

    def newest_responses(self, count: int) -> Iterator[StoredResponse]:
        """Yield up to `count` stored responses that hold any video, newest first."""
        ...

    def responses(self, span: Span = EVERYTHING) -> Iterator[StoredResponse]:
        """Yield the stored responses whose first id lies in `span`, in load order, streamed."""
        ...

    def fetched(self, span: Span, size: int) -> Iterator[Sequence[tuple[str, int]]]:
        """Yield the fetched ids of `span` in load order, each with the call that brought it, up to `size` at a time."""
        ...

    def inputs(self, span: Span) -> Iterator[tuple[object, ...]]:
        """What the fetched videos of `span` are made of, without reading a body: a row for each call that brought any.

        The same rows, of the same ledger, mean the same videos with the same content in the same order.
        """
        ...

    def unknown(self, ids: Sequence[str]) -> list[str]:
        """Return those of the ids that are not in the ledger."""
        ...

    def bodies(self, call_ids: Sequence[int]) -> Iterator[StoredResponse]:
        """Yield the stored responses of those calls, in any order."""
        ...

    def sizes(self) -> Iterator[ResponseSize]:
        """Yield position and bytes of every stored response, in load order."""
        ...

    def totals(self) -> tuple[int, int, int]:
        """Return how many responses are stored, and their bytes, plain and as stored."""
        ...

    def newest_response(self) -> datetime | None:
        """Return when the newest stored response was fetched, or the newest statistics; None without any."""
        ...

    def pending(self, size: int) -> Iterator[tuple[str, ...]]:
        """Yield the ids that are still to be asked for, at most `size` at a time, as a run would claim them.

        Halves of refused batches come first, each by itself; then all others in load order.
        """
        ...

    def requeueable(self, states: Collection[VideoState], reasons: Collection[str] | None) -> dict[VideoState, int]:
        """Return how many ids of each state `Ledger.requeue` would make pending again."""
        ...

    def older(self, before: datetime, parts: str | None = None) -> Stored:
        """Return what `Ledger.prune` would delete, or `Ledger.old_responses` gives."""
        ...

    def calls_to_refresh(self, before: datetime, parts: str | None = None) -> int:
        """Return how many of those responses hold any video."""
        ...

    def other_parts(self, parts: str) -> int:
        """Return how many stored responses were surely asked for with other parts than these, comma-separated."""
        ...

    def parts_asked(self) -> list[PartsAsked]:
        """Return with which parts the stored responses were asked for."""
        ...

    def older_statistics(self, before: datetime) -> Stored:
        """Return of how many responses, and videos, the newest statistics were fetched before `before`."""
        ...

    def has_statistics(self) -> bool:
        """Return whether any statistics that were fetched by themselves are stored."""
        ...

    def statistics(self, call_ids: Sequence[int]) -> Iterator[StoredResponse]:
        """Yield the statistics that were fetched by themselves for those calls' responses; `call_id` is theirs."""
        ...

    def oldest_response(self) -> datetime | None:
        """Return when the response of the earliest call was fetched: later ones are hardly ever older. None: no
        response is stored."""
        ...

    def findings(self) -> list[str]:
        """Return what is not consistent, a sentence each; empty where every promise about the stored data holds."""
        ...

    def close(self) -> None:
        """Release the snapshot and close the connection."""
        ...
