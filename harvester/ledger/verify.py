"""The checks of `verify`: recount every sum, and read every stored body. Reads only.

The checks take one pass over the ids and one over the stored responses; memory does not grow with either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import groupby
from operator import attrgetter

import msgspec
from sqlalchemy import Connection, and_, func, not_, or_, select, text

from harvester.ledger.queries import OF_VIDEOS, AnyRow, as_body
from harvester.ledger.schema import (
    calls,
    listings,
    loads,
    metadata,
    pruned_responses,
    prunings,
    quota_days,
    responses,
    video_states,
    videos,
)
from harvester.ledger.statistics_queries import STATISTICS
from harvester.listing_types import ListingState
from harvester.model import VideoState
from harvester.support.gzip_body import BodyError
from harvester.support.json_text import parse_text
from harvester.support.sanitize import agree, count
from harvester.youtube.endpoints import PLAYLIST_ITEMS_LIST

MAX_EXAMPLES = 5


class _Item(msgspec.Struct):
    id: str


class _Response(msgspec.Struct):
    items: list[_Item]


_DECODER = msgspec.json.Decoder(_Response)


def findings(db: Connection) -> Iterator[str]:
    """Describe each inconsistency in a sentence."""
    for check in (_database, _states, _claims, _listings, _refreshes, _units, _pruned, _statistics, _stored):
        yield from check(db)


def _database(db: Connection) -> Iterator[str]:
    """Run the database's own checks of its pages and foreign keys."""
    if db.dialect.name != "sqlite":
        yield from _foreign_keys(db)
        return
    for (line,) in db.execute(text("PRAGMA integrity_check(5)")):
        if line != "ok":
            # SQLite's message may have several lines.
            yield f"The database file is damaged: {'; '.join(line.splitlines()).rstrip('.')}."
    for table, row, parent, _ in db.execute(text("PRAGMA foreign_key_check")).fetchmany(MAX_EXAMPLES):
        yield f"Row {row} of {table} refers to a row of {parent} that is not there."


def _foreign_keys(db: Connection) -> Iterator[str]:
    """Check the foreign keys on a server, where rows may be restored without those they refer to."""
    for table in metadata.sorted_tables:
        for key in table.foreign_key_constraints:
            parent = key.referred_table.alias()
            pairs = [(element.parent, parent.c[element.column.name]) for element in key.elements]
            lost = (
                select(next(iter(table.primary_key.columns)))
                .join_from(table, parent, and_(*(child == of_parent for child, of_parent in pairs)), isouter=True)
                .where(*(child.is_not(None) for child, _ in pairs), pairs[0][1].is_(None))
            )
            for found in db.execute(lost.limit(MAX_EXAMPLES)).scalars():
                yield f"Row {found} of {table.name} refers to a row of {key.referred_table.name} that is not there."


def _states(db: Connection) -> Iterator[str]:
    kept = {row.code: row.videos for row in db.execute(select(video_states.c.code, video_states.c.videos))}
    # One pass over the ids, for their states and for their loads.
    number = select(videos.c.state, videos.c.load_id, func.count().label("videos"))
    of_state, of_load = Counter[int](), Counter[int]()
    for row in db.execute(number.group_by(videos.c.state, videos.c.load_id)):
        of_state[row.state] += row.videos
        of_load[row.load_id] += row.videos
    for state in VideoState:
        if kept.get(state, 0) != of_state[state]:
            are = f"{of_state[state]:,} {agree(of_state[state], 'is')}"
            yield f"{count(kept.get(state, 0), 'id', 'is')} counted as {state.label}, but {are}."
    for load in db.execute(select(loads)):
        if load.new - load.removed != of_load[load.id]:
            yield (
                f"Load {load.id} brought {count(load.new, 'id')} of which {load.removed:,} "
                f"{agree(load.removed, 'was')} removed, but {of_load[load.id]:,} {agree(of_load[load.id], 'is')} there."
            )
    look_from = select(video_states.c.first_position).where(video_states.c.code == 0).scalar_subquery()
    overlooked = select(videos.c.video_id).where(
        videos.c.position < look_from, videos.c.state == 0, videos.c.suspect_batch.is_(None)
    )
    for video_id in db.execute(overlooked.limit(MAX_EXAMPLES)).scalars():
        yield f"{video_id} is pending, but lies before the place from where claims look: it would never be asked for."


def _claims(db: Connection) -> Iterator[str]:
    """Check that every claimed, fetched, missing or failed id belongs to a call of the right state."""
    rightly = or_(
        and_(videos.c.state == VideoState.CLAIMED, calls.c.state == "open"),
        and_(videos.c.state.in_((VideoState.FETCHED, VideoState.MISSING)), calls.c.state == "ok"),
        and_(videos.c.state == VideoState.FAILED, calls.c.state == "failed"),
    )
    spoken_for = videos.c.state.in_((1, 2, 3, 4))
    query = (
        select(videos.c.video_id, videos.c.state, videos.c.call_id, calls.c.state.label("call_state"))
        .join_from(videos, calls, calls.c.id == videos.c.call_id, isouter=True)
        .where(spoken_for, or_(calls.c.id.is_(None), not_(rightly)))
        .order_by(videos.c.position)
        .limit(MAX_EXAMPLES)
    )
    for row in db.execute(query):
        state = VideoState(row.state).label
        yield f"{row.video_id} is {state} by call {row.call_id}, which is {row.call_state or 'not there'}."


def _listings(db: Connection) -> Iterator[str]:
    """Check that a listing counts the pages that its calls brought, and is claimed while one is under way."""
    page = and_(calls.c.endpoint == PLAYLIST_ITEMS_LIST.name, calls.c.state == "ok", calls.c.http_status == 200)
    sums = select(
        calls.c.listing_id,
        func.count().filter(page).label("read"),
        func.count().filter(calls.c.state == "open").label("under_way"),
    )
    of = sums.where(calls.c.listing_id.is_not(None)).group_by(calls.c.listing_id).subquery()
    counted = (func.coalesce(of.c[name], 0).label(name) for name in ("read", "under_way"))
    query = select(listings.c.target, listings.c.state, listings.c.pages, *counted).order_by(listings.c.id)
    for row in db.execute(query.join_from(listings, of, of.c.listing_id == listings.c.id, isouter=True)):
        if row.pages != row.read:
            yield f"{row.target} counts {count(row.pages, 'page')}, but its calls brought {row.read:,}."
        if (row.state == ListingState.CLAIMED) != (row.under_way == 1):
            yield f"{row.target} is {row.state}, but {count(row.under_way, 'call', 'is')} under way for it."


def _refreshes(db: Connection) -> Iterator[str]:
    """Check that the responses which are being refreshed are stored."""
    old = calls.c.of_call
    query = select(calls.c.id, old).where(
        OF_VIDEOS, calls.c.state == "open", old.is_not(None), old.not_in(select(responses.c.call_id))
    )
    for row in db.execute(query.limit(MAX_EXAMPLES)):
        yield f"Call {row.id} shall replace the response of call {row.of_call}, which is not stored."


_SUMS = {
    "units_reserved": ("unit", func.sum(calls.c.units)),
    "calls": ("call", func.count()),
    "calls_ok": ("good call", func.count().filter(calls.c.state == "ok")),
    "calls_failed": ("failed call", func.count().filter(calls.c.state == "failed")),
    "calls_abandoned": ("abandoned call", func.count().filter(calls.c.state == "abandoned")),
    "calls_listed": ("good listing call", func.count().filter(calls.c.state == "ok", calls.c.listing_id.is_not(None))),
}
"""What the columns of a day count, and how its calls add up to it."""


def _units(db: Connection) -> Iterator[str]:
    """Check that a day's sums are those of its calls, and that its units are within its limit."""
    key = (calls.c.bucket, calls.c.quota_day)
    sums = select(*key, *(found.label(name) for name, (_, found) in _SUMS.items())).group_by(*key)
    counted = {(row.bucket, row.quota_day): row._mapping for row in db.execute(sums)}
    for day in db.execute(select(quota_days)):
        name = day.day if day.bucket == "default" else f"{day.day} ({day.bucket})"
        of_calls = counted.get((day.bucket, day.day))
        for column, (what, _) in _SUMS.items():
            kept, found = day._mapping[column], of_calls[column] if of_calls else 0
            if kept != found:
                yield f"{name} counts {count(kept, what)}, but its calls add up to {found:,}."
        if day.units_reserved > day.units_limit:
            yield f"{name} spent {day.units_reserved:,} of {count(day.units_limit, 'unit')}."


def _pruned(db: Connection) -> Iterator[str]:
    """Check that pruned responses are marked, call by call, and none of them is stored."""
    both = select(pruned_responses.c.call_id).where(pruned_responses.c.call_id.in_(select(responses.c.call_id)))
    for call_id in db.execute(both.limit(MAX_EXAMPLES)).scalars():
        yield f"The response of call {call_id} is marked as deleted, but it is stored."
    marked = (
        select(func.count()).where(pruned_responses.c.pruning_id == prunings.c.id).scalar_subquery().label("marked")
    )
    for pruning in db.execute(select(prunings.c.id, prunings.c.responses, marked)):
        if pruning.responses != pruning.marked:
            marked_as = f"{pruning.marked:,} {agree(pruning.marked, 'is')} marked"
            yield f"Pruning {pruning.id} counts {count(pruning.responses, 'response')}, but {marked_as}."


def _stored(db: Connection) -> Iterator[str]:
    """Check that every good call, unless pruned, has a stored body whose items are the fetched ids of the call."""
    without = select(calls.c.id).where(
        OF_VIDEOS,
        calls.c.state == "ok",
        calls.c.id.not_in(select(responses.c.call_id)),
        calls.c.id.not_in(select(pruned_responses.c.call_id)),
    )
    for call_id in db.execute(without.limit(MAX_EXAMPLES)).scalars():
        yield f"Call {call_id} was answered, but its response is not stored."
    rows = db.execution_options(yield_per=16).execute(
        select(responses).join(calls, calls.c.id == responses.c.call_id).where(OF_VIDEOS).order_by(responses.c.call_id)
    )
    settled = _settled_by_call(db)
    ahead = next(settled, None)
    for row in rows:
        while ahead is not None and ahead[0] < row.call_id:
            if ahead[1]:
                yield f"{count(len(ahead[1]), 'id', 'is')} fetched by call {ahead[0]}, which has no stored response."
            ahead = next(settled, None)
        fetched: set[str] = set()
        missing: set[str] = set()
        if ahead is not None and ahead[0] == row.call_id:
            _, fetched, missing = ahead
            ahead = next(settled, None)
        yield from _response(row, fetched, missing)
    settled.close()


def _settled_by_call(db: Connection) -> Generator[tuple[int, set[str], set[str]], None, None]:
    """Each call with its fetched and its missing ids, sorted by the database, on disk where they are many."""
    query = (
        select(videos.c.call_id, videos.c.video_id, videos.c.state)
        .where(videos.c.state.in_((VideoState.FETCHED, VideoState.MISSING)))
        .order_by(videos.c.call_id)
    )
    with closing(db.execution_options(yield_per=5000).execute(query)) as rows:
        for call_id, group in groupby(rows, key=attrgetter("call_id")):
            ids: dict[int, set[str]] = {VideoState.FETCHED: set(), VideoState.MISSING: set()}
            for row in group:
                ids[row.state].add(row.video_id)
            yield call_id, ids[VideoState.FETCHED], ids[VideoState.MISSING]


def _items(row: AnyRow, name: str) -> Generator[str, None, list[str] | None]:
    """Return the ids in a stored body; None, and a finding, if it cannot be read."""
    try:
        return [item.id for item in parse_text(_DECODER.decode, as_body(row).raw()).items]
    except (BodyError, ValueError, RecursionError) as error:
        yield f"{name} cannot be read: {error}."
        return None


def _response(row: AnyRow, fetched: set[str], missing: set[str]) -> Iterator[str]:
    name = f"The stored response of call {row.call_id}"
    if (items := (yield from _items(row, name))) is None:
        return
    if len(row.body) != row.stored_bytes:
        yield f"{name} is {count(len(row.body), 'byte')} long, not {row.stored_bytes}."
    if len(items) != row.item_count:
        yield f"{name} holds {count(len(items), 'item')}, not {row.item_count}."
    for video_id in sorted(fetched.difference(items))[:MAX_EXAMPLES]:
        yield f"{video_id} is fetched by call {row.call_id}, but does not stand in its response."
    for video_id in sorted(missing.intersection(items))[:MAX_EXAMPLES]:
        yield f"{video_id} is missing by call {row.call_id}, but stands in its response."
    for video_id in sorted(set(items) - fetched - missing)[:MAX_EXAMPLES]:
        yield f"{video_id} stands in the response of call {row.call_id}, but is not fetched by it."
    if len(set(items)) != len(items):
        yield f"The response of call {row.call_id} holds an id twice."


def _statistics(db: Connection) -> Iterator[str]:
    """Check that all stored statistics are intact, and of videos of their response."""
    rows = db.execution_options(yield_per=16).execute(STATISTICS.add_columns(calls.c.state))
    for of_call, group in groupby(rows, key=attrgetter("of_call")):
        ids = _ids_of(db, of_call)
        for row in group:
            if row.state != "ok":
                yield f"The statistics of call {of_call} came by a call that is {row.state}."
            yield from _statistics_body(row, ids)


def _ids_of(db: Connection, call_id: int) -> set[str]:
    """The ids that a call fetched; if its response was replaced or pruned since, those that it may have asked for."""
    within = and_(calls.c.id == call_id, videos.c.position.between(calls.c.first_position, calls.c.last_position))
    asked = select(videos.c.video_id).join(calls, within)
    if db.scalar(select(responses.c.call_id).where(responses.c.call_id == call_id)) is not None:
        asked = asked.where(videos.c.call_id == call_id, videos.c.state == VideoState.FETCHED)
    return set(db.execute(asked).scalars())


def _statistics_body(row: AnyRow, ids: set[str]) -> Iterator[str]:
    name = f"The stored statistics of call {row.of_call}"
    if (items := (yield from _items(row, name))) is None:
        return
    if len(row.body) != row.stored_bytes or len(set(items)) != row.item_count:
        yield f"{name} are not of the size that was noted."
    for video_id in sorted(set(items) - ids)[:MAX_EXAMPLES]:
        yield f"{video_id} has statistics of call {row.of_call}, but is not fetched by it."
