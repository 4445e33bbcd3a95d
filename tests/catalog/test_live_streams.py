"""Live streams as they are kept, on both databases."""

from __future__ import annotations

import pytest
from reelkit.catalog import doomed, live_streams
from reelkit.catalog.live_streams import LiveStreamEdit, LiveStreamFilter, NewLiveStream, Restream
from reelkit.catalog.scope import Scope

pytestmark = pytest.mark.usefixtures("database")

FORWARD = Restream("elsewhere", "rtmps://live.example.org/app", "k€y")


async def test_a_live_stream_is_its_scopes_alone(scope: Scope, strangers: list[Scope]) -> None:
    made = await live_streams.create(scope, NewLiveStream(name="A", restreams=(FORWARD,)))
    everything = LiveStreamFilter()
    assert await live_streams.get(scope, made.id) == made
    assert (await live_streams.page(scope, everything)).items == (made,)
    for stranger in strangers:
        assert await live_streams.get(stranger, made.id) is None
        assert (await live_streams.page(stranger, everything)).total == 0
        assert (await live_streams.page(stranger, LiveStreamFilter(stream_key=made.stream_key))).total == 0
        assert await live_streams.update(stranger, made.id, LiveStreamEdit(name="mine")) is None
        assert await live_streams.set_thumbnail(stranger, made.id, None) is None
        assert await live_streams.delete(stranger, made.id) is None
    assert await live_streams.get(scope, made.id) == made


async def test_an_edit_changes_what_it_names(scope: Scope) -> None:
    made = await live_streams.create(scope, NewLiveStream(name="A", player_id="pl1", restreams=(FORWARD, FORWARD)))
    changed = await live_streams.update(scope, made.id, LiveStreamEdit(player_id=None, restreams=(FORWARD,)))
    assert changed is not None
    assert (changed.name, changed.player_id, changed.restreams) == ("A", None, (FORWARD,))
    assert changed.updated_at > made.updated_at and changed.created_at == made.created_at
    renamed = await live_streams.update(scope, made.id, LiveStreamEdit(name="Ünï"))
    assert renamed is not None and renamed.restreams == (FORWARD,)
    assert (await live_streams.page(scope, LiveStreamFilter(name="uni"))).items == (renamed,)


async def test_pictures_that_are_replaced_are_doomed(scope: Scope) -> None:
    made = await live_streams.create(scope, NewLiveStream(name="A"))
    first, second = f"{made.prefix}image/1.png", f"{made.prefix}image/2.png"
    await live_streams.set_thumbnail(scope, made.id, first)
    shown = await live_streams.watched(made.id)
    assert shown is not None and (shown.thumbnail_key, shown.public) == (first, True)
    await live_streams.set_thumbnail(scope, made.id, second)
    assert [note.prefix for note in await doomed.pending()] == [first]
    assert await live_streams.delete(scope, made.id) == (made.prefix,)
    late = f"{made.prefix}image/3.png"
    assert await live_streams.set_thumbnail(scope, made.id, late) is None
    assert {note.prefix for note in await doomed.pending()} == {first, made.prefix, late}
