"""Group commit over a database that is a list: shared commits, failures, cancellation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from waiting import LIMIT_SECONDS, until

from harvester.ledger.transaction_runner import MAX_AT_ONCE, TransactionRunner


class Full(Exception):
    """What a commit may raise."""


class Draft(list[str]):
    """What a transaction appends to."""

    def flush_counts(self) -> None:
        """Nothing was kept back."""


class Rows(TransactionRunner):
    """Commits what transactions append to a list, all or nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.committed: list[str] = []
        self.commits: list[int] = []
        self.attempts: list[int] = []
        self.fails_at: set[int] = set()
        """Which attempts to commit are to fail, from 1."""
        self.go = threading.Event()
        self.go.set()
        self.closed = False

    async def read(self, *queries: Any) -> list[Any]:
        raise NotImplementedError

    def _errors(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _disconnect(self) -> None:
        self.closed = True

    @contextmanager
    def _transaction(self, jobs: int) -> Iterator[Any]:
        self.attempts.append(jobs)
        assert self.go.wait(LIMIT_SECONDS)
        draft = Draft(self.committed)
        yield draft
        if len(self.attempts) in self.fails_at:
            raise Full
        self.committed = draft
        self.commits.append(jobs)


def add(rows: list[str], row: str) -> int:
    rows.append(row)
    if row == "bad":
        raise ValueError(row)
    return len(rows)


def add_all(rows: list[str], added: Sequence[str]) -> list[str]:
    rows += ["+".join(added)]
    if "bad" in added:
        raise ValueError("bad")
    return [row.upper() for row in added]


async def held(writer: Rows) -> asyncio.Task[int]:
    """The writer is within its first transaction: what comes now waits together."""
    writer.go.clear()
    first = asyncio.create_task(writer.run(add, "first"))
    await until(lambda: writer.attempts)
    return first


async def resume(writer: Rows, *tasks: asyncio.Task[Any]) -> list[Any]:
    await asyncio.sleep(0)
    writer.go.set()
    return list(await asyncio.gather(*tasks, return_exceptions=True))


async def test_those_that_wait_together_share_a_commit() -> None:
    writer = Rows()
    first = await held(writer)
    rest = [asyncio.create_task(writer.run(add, str(number))) for number in range(MAX_AT_ONCE + 1)]
    assert await resume(writer, first, *rest) == list(range(1, MAX_AT_ONCE + 3))
    assert writer.commits == [1, MAX_AT_ONCE, 1]
    await writer.close()
    assert writer.closed


async def test_one_that_fails_is_alone_with_it_and_leaves_nothing() -> None:
    writer = Rows()
    first = await held(writer)
    rest = [asyncio.create_task(writer.run(add, row)) for row in ("a", "bad", "b")]
    done = await resume(writer, first, *rest)
    assert [repr(one) for one in done] == ["1", "2", "ValueError('bad')", "3"]
    assert writer.committed == ["first", "a", "b"]
    assert writer.attempts == [1, 3, 1, 1, 1]
    await writer.close()


async def test_where_the_commit_fails_each_is_done_again_by_itself_and_told_its_own_error() -> None:
    writer = Rows()
    first = await held(writer)
    rest = [asyncio.create_task(writer.run(add, row)) for row in ("a", "b", "c")]
    writer.fails_at = {2, 4}  # the shared one, and b's own
    done = await resume(writer, first, *rest)
    assert [one if isinstance(one, int) else type(one) for one in done] == [1, 2, Full, 3]
    assert writer.committed == ["first", "a", "c"]
    assert await writer.run(add, "d") == 4
    await writer.close()


async def test_no_result_is_told_of_a_commit_that_failed_for_all() -> None:
    writer = Rows()
    first = await held(writer)
    rest = [asyncio.create_task(writer.run(add, row)) for row in ("a", "b")]
    writer.fails_at = {1, 2, 3, 4}
    done = await resume(writer, first, *rest)
    assert [type(one) for one in done] == [Full, Full, Full]
    assert (writer.committed, writer.commits) == ([], [])
    await writer.close()


async def test_a_cancelled_caller_does_not_undo_its_transaction_nor_the_others() -> None:
    writer = Rows()
    first = await held(writer)
    second, third = (asyncio.create_task(writer.run(add, row)) for row in ("a", "b"))
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    done = await resume(writer, first, second, third)
    assert [isinstance(one, asyncio.CancelledError) for one in done] == [True, True, False]
    assert (done[2], writer.committed) == (3, ["first", "a", "b"])
    await writer.close()


async def test_close_commits_what_was_asked_for_before_it_disconnects() -> None:
    writer = Rows()
    first = await held(writer)
    second = asyncio.create_task(writer.run(add, "a"))
    await asyncio.sleep(0)
    closing = asyncio.create_task(writer.close())
    await asyncio.sleep(0)
    assert not writer.closed
    assert await resume(writer, first, second, closing) == [1, 2, None]
    assert (writer.closed, writer.committed) == (True, ["first", "a"])


async def test_a_function_of_many_is_given_all_that_wait_and_each_is_told_its_own_result() -> None:
    writer = Rows()
    first = await held(writer)
    rows = ("a", "b", "c")
    rest = [asyncio.create_task(writer.run_together(add_all, row)) for row in rows]
    assert await resume(writer, first, *rest) == [1, "A", "B", "C"]
    assert writer.committed == ["first", "a+b+c"]
    bad = await asyncio.gather(*(writer.run_together(add_all, row) for row in ("d", "bad")), return_exceptions=True)
    assert bad[0] == "D"
    assert isinstance(bad[1], ValueError)
    assert writer.committed[-1] == "d"
    await writer.close()
