"""What happened and is not told yet: an event is noted in the transaction in which it happens, so that none is lost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from piccolo.columns import Boolean, Text, Timestamptz

from reelkit.catalog.ids import new_id
from reelkit.catalog.scope import Scope, Scoped, scoped, unscoped
from reelkit.interfaces.event import Event

__all__ = ["Untold", "forget", "left", "note", "note_webhooks"]


class Untold(msgspec.Struct, frozen=True):
    """An event that somebody is to be told of. event: None when it was noted by a version that knew other events."""

    id: str
    scope: Scope
    event: Event | None


class UntoldRow(Scoped, tablename="untold_event"):
    """Table `untold_event`."""

    id = Text(primary_key=True)
    event = Text()
    webhooks_noted = Boolean()
    created_at = Timestamptz()
    taken_at = Timestamptz()


async def note(scope: Scope, event: Event) -> Untold:
    """Note an event, in the open transaction: it is told if that is committed, by whoever lives then."""
    now, id = datetime.now(UTC), new_id("ev")
    text = msgspec.json.encode(event).decode()
    await scoped(UntoldRow, scope).insert(id=id, event=text, webhooks_noted=False, created_at=now, taken_at=now)
    return Untold(id, scope, event)


async def note_webhooks(scope: Scope, id: str) -> bool:
    """Say that the webhooks' deliveries are noted, in the transaction that notes them. False: they were before."""
    mine = (UntoldRow.id == id, UntoldRow.webhooks_noted.eq(False))
    rows = scoped(UntoldRow, scope).update({UntoldRow.webhooks_noted: True})
    return bool(await rows.where(*mine).returning(UntoldRow.id))


async def forget(scope: Scope, id: str) -> None:
    """Forget an event: everybody was told."""
    await scoped(UntoldRow, scope).delete().where(UntoldRow.id == id)


async def left(before: datetime) -> list[Untold]:
    """Take the events that were noted, or taken, before a time: whoever was to tell them is dead. Whosever they are."""
    now = datetime.now(UTC)
    old = UntoldRow.taken_at < before
    found: list[Untold] = []
    for row in await unscoped(UntoldRow).select().where(old).order_by(UntoldRow.created_at).limit(1000):
        mine = (UntoldRow.id == row["id"], UntoldRow.taken_at == row["taken_at"])
        if await unscoped(UntoldRow).update({UntoldRow.taken_at: now}).where(*mine).returning(UntoldRow.id):
            found.append(Untold(row["id"], Scope(row["project"], row["environment"]), _event(row)))
    return found


def _event(row: dict[str, Any]) -> Event | None:
    try:
        event: Event = msgspec.json.decode(row["event"], type=Event)
    except msgspec.ValidationError:
        return None
    return event
