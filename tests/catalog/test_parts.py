"""Which parts of an upload are here and on their way, on both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from reelkit.catalog import parts, parts_sweep, sources, tus, videos
from reelkit.catalog.database import Database
from reelkit.catalog.ids import new_id
from reelkit.catalog.parts import Claim, InTheWay, PartialUpload, Standing, UploadPart
from reelkit.catalog.scope import Scope
from reelkit.catalog.videos import NewVideo

MIB = 1 << 20


def anything(stands: Standing) -> None:
    """Find nothing to say against a part."""


@pytest.fixture
async def upload(database: Database, scope: Scope) -> PartialUpload:
    """An upload in numbered parts that was just begun."""
    return await begin(scope, "part")


async def begin(scope: Scope, mode: Any, **more: Any) -> PartialUpload:
    video = await videos.create(scope, NewVideo(title="t"))
    begun = await parts.begin(scope, video.video_id, new_id("so"), "u1", mode=mode, filename="a.mp4", **more)
    assert isinstance(begun, tuple)
    return begun[1]


async def claim(upload: PartialUpload, number: int, start: int | None = None, size: int | None = None) -> Any:
    return await parts.claim(upload.scope, upload.id, number, start, size, anything)


async def store(
    upload: PartialUpload, number: int, start: int | None = None, size: int = 5, total: int | None = None
) -> Any:
    claimed = await claim(upload, number, start, size if start is not None else None)
    assert isinstance(claimed, Claim)
    part = UploadPart(number=number, start=start, size=size, tag=f"t{number}", checksum="00" * 32)
    return await parts.record(upload.scope, claimed, part, total, anything)


async def age(database: Database, upload: PartialUpload, by: timedelta) -> None:
    moment = datetime.now(UTC) - by
    text = f"'{moment.isoformat(sep=' ')}'"
    for table, column in (("upload", "id"), ("upload_part", "upload_id")):
        await database.fetch(f"UPDATE {table} SET held_at = {text} WHERE {column} = '{upload.id}' AND holder IS NOT NULL")
    await database.fetch(f"UPDATE upload SET created_at = {text}, updated_at = {text} WHERE id = '{upload.id}'")


async def test_of_many_that_claim_a_part_one_gets_it(upload: PartialUpload) -> None:
    answers = await asyncio.gather(*(claim(upload, 1) for _ in range(20)))
    assert sorted(type(answer).__name__ for answer in answers) == ["Claim"] + ["InTheWay"] * 19
    (claimed,) = [answer for answer in answers if isinstance(answer, Claim)]
    assert isinstance(await claim(upload, 2), Claim)
    await parts.release(upload.scope, claimed)
    assert isinstance(await claim(upload, 1), Claim)


async def test_a_claim_that_nobody_renews_ends(database: Database, upload: PartialUpload) -> None:
    old = await claim(upload, 1)
    await age(database, upload, timedelta(seconds=15))
    assert isinstance(await claim(upload, 1), InTheWay)
    assert await parts.keep_claim(upload.scope, old)
    await age(database, upload, timedelta(seconds=25))
    new = await claim(upload, 1)
    assert isinstance(new, Claim)
    assert not await parts.keep_claim(upload.scope, old)
    part = UploadPart(number=1, start=None, size=5, tag="old", checksum="")
    assert await parts.record(upload.scope, old, part, None, anything) is None
    await parts.release(upload.scope, old)
    assert await parts.keep_claim(upload.scope, new)


async def test_ranges_never_overlap_those_here_or_on_their_way(database: Database, scope: Scope) -> None:
    upload = await begin(scope, "bytes")
    await store(upload, 3, 10 * MIB, 5 * MIB)
    assert isinstance(await claim(upload, 1, 0, 5 * MIB), Claim)
    for start, size, here in [(5 * MIB - 1, MIB, False), (9 * MIB, 2 * MIB, True), (10 * MIB, 4 * MIB, True)]:
        found = await claim(upload, 1 + start // (5 * MIB), start, size)
        assert isinstance(found, InTheWay) and (found.stored is not None) == here
    same = await claim(upload, 3, 10 * MIB, 5 * MIB)
    assert isinstance(same, UploadPart) and same.tag == "t3"
    assert isinstance(await claim(upload, 2, 5 * MIB, 5 * MIB), Claim)


async def test_the_last_part_is_told_that_it_was_the_last(upload: PartialUpload) -> None:
    order = [3, 1, 4, 2]
    stands = [await store(upload, number, total=4 if number == 4 else None) for number in order]
    assert [found.complete for found in stands] == [False, False, False, True]
    assert [(found.received, found.size, found.highest) for found in stands] == [
        (1, 5, 3),
        (2, 10, 3),
        (3, 15, 4),
        (4, 20, 4),
    ]
    assert [part.number for part in await parts.received(upload.scope, upload.id)] == [1, 2, 3, 4]


async def test_nobody_sees_an_upload_of_another_scope(upload: PartialUpload, strangers: list[Scope]) -> None:
    await store(upload, 1)
    for other in strangers:
        assert await parts.get(other, upload.id) is None
        assert await parts.received(other, upload.id) == ()
        assert await parts.claim(other, upload.id, 2, None, None, anything) is None
        assert not await parts.hold(other, upload.id, "me")
        assert await tus.take_over(other, upload.id, "me", 0) is None


async def test_an_upload_that_never_began_is_taken_back_with_its_source(upload: PartialUpload) -> None:
    claimed = await claim(upload, 1)
    assert not await parts.discard_unbegun(upload.scope, upload)
    await parts.release(upload.scope, claimed)
    assert await parts.discard_unbegun(upload.scope, upload)
    assert await sources.for_video(upload.scope, upload.video_id or "") is None
    assert [found.id for found in await parts_sweep.forgettable()] == [upload.id]
    await parts_sweep.forget(upload)
    assert await parts.get(upload.scope, upload.id) is None


async def test_what_is_whole_old_or_without_a_video_is_found(database: Database, scope: Scope) -> None:
    week_ago = datetime.now(UTC) - timedelta(days=7)
    whole, old, lonely, going = [await begin(scope, "part") for _ in range(4)]
    in_bytes = await begin(scope, "bytes")
    await store(whole, 1, total=1)
    await store(in_bytes, 1, 0, 7, total=7)
    await store(going, 1, total=2)
    await store(old, 1, total=2)
    await age(database, old, timedelta(days=7, minutes=1))
    await age(database, going, timedelta(days=6, hours=23))
    await videos.delete(scope, lonely.video_id or "")
    assert {found.id for found in await parts_sweep.whole_but_not_joined()} == {whole.id, in_bytes.id}
    assert [found.id for found in await parts_sweep.expired(week_ago)] == [old.id]
    assert [found.id for found in await parts_sweep.forgettable()] == [lonely.id]
    source = await sources.for_video(scope, whole.video_id or "")
    assert source is not None and await parts.joined(scope, whole.id, source, 5, "c")
    assert {found.id for found in await parts_sweep.whole_but_not_joined()} == {in_bytes.id}
    await age(database, whole, timedelta(days=8))
    assert {found.id for found in await parts_sweep.forgettable()} == {lonely.id, whole.id}
    assert [found.id for found in await parts_sweep.expired(week_ago)] == [old.id]


async def test_an_upload_in_parts_is_not_taken_for_one_that_was_cut_off(database: Database, upload: PartialUpload) -> None:
    from reelkit.catalog import work

    assert await work.fail_abandoned_uploads(timedelta(0)) == []
    assert isinstance(await sources.begin(upload.scope, upload.video_id or ""), sources.SourceTaken)


async def test_the_newer_request_has_a_tus_upload_and_the_older_one_changes_nothing(
    database: Database, scope: Scope
) -> None:
    upload = await begin(scope, "tus", total=20)
    stands = await tus.take_over(scope, upload.id, "old", 0)
    assert stands is not None and tus.offset_of(stands) == 0
    first = await tus.next_number(scope, upload.id, "old")
    await tus.take_over(scope, upload.id, "new", 0)
    second = await tus.next_number(scope, upload.id, "new")
    assert (first, second) == (1, 2)
    piece = UploadPart(number=2, start=0, size=9, tag="x", checksum="00" * 32)
    assert not await tus.append(scope, upload.id, "old", [piece], None, 0)
    assert await tus.next_number(scope, upload.id, "old") is None
    assert await tus.append(scope, upload.id, "new", [piece], "p/vi/tail.1", 3)
    found = await tus.take_over(scope, upload.id, "late", 9)
    assert found is not None and tus.offset_of(found) == 12
    assert await tus.next_number(scope, upload.id, "new") == 3, "an offset that is wrong takes nothing over"
