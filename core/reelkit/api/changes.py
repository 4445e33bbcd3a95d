"""Changes of any resource, shown to the plugins: before they are made, to be edited or refused, and afterwards.

    edit = Changing(runtime, principal.scope, "video", "create")
    given = await edit.propose(given)              # the payload's Struct, maybe edited; raises the Problem of a veto
    video = await videos.create(...)
    await edit.made(video_json(video, runtime), id=video.video_id)

For an update or a removal, `id` and `before` (the object's JSON Struct) are given to the constructor.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from reelkit.catalog.scope import Scope
from reelkit.interfaces.change import Action, Change
from reelkit.jobs.runtime import Runtime
from reelkit.site_check import did_you_mean

__all__ = ["Changing"]

T = TypeVar("T", bound=msgspec.Struct | None)


class Changing:
    """One change on its way. before: the object as it is, a Struct of the API; None for a creation."""

    def __init__(
        self,
        runtime: Runtime,
        scope: Scope,
        resource: str,
        action: Action,
        *,
        id: str = "",
        before: msgspec.Struct | None = None,
    ) -> None:
        self._plugins = runtime.plugins
        self._change = Change(
            resource=resource,
            action=action,
            project=scope.project,
            environment=scope.environment,
            id=id,
            before=_fields(before),
        )

    async def propose(self, given: T) -> T:
        """Ask every plugin, each about what the ones before it made of it, and return what is to be done.

        given: the payload of a creation or update, None for a removal. Validate what comes back, not what went in.
        Raises the Problem by which a plugin refuses, and PluginFailed when one fails: then nothing may be changed.
        """
        if not self._plugins.implements("before_change"):
            return given
        change = msgspec.structs.replace(self._change, after=_fields(given))

        def edit(seen: Change, answer: Any) -> Change:
            if given is None or not isinstance(answer, dict):
                wanted = "nothing, for a removal" if given is None else "the fields to set, as a dict"
                raise TypeError(f"before_change must return {wanted}, not {type(answer).__name__}")
            known = [field.encode_name for field in msgspec.structs.fields(type(given))]
            if (odd := next((name for name in answer if name not in known), None)) is not None:
                has = f"It has: {', '.join(known)}."
                raise TypeError(f'before_change set "{odd}", which is no field.{did_you_mean(str(odd), known)} {has}')
            after = {**(seen.after or {}), **answer}
            msgspec.convert(after, type(given))  # here, so that whoever is to blame can be named
            return msgspec.structs.replace(seen, after=after)

        decided = await self._plugins.ask_each("before_change", "change", change, edit)
        return given if given is None else msgspec.convert(decided.after, type(given))

    async def made(self, after: msgspec.Struct | None = None, *, id: str = "") -> None:
        """Tell every plugin, once it is committed; none can fail it. after: the object now; id: of a new one."""
        if self._plugins.implements("after_change"):
            change = msgspec.structs.replace(self._change, id=id or self._change.id, after=_fields(after))
            await self._plugins.notify("after_change", change=change)


def _fields(value: msgspec.Struct | None) -> dict[str, Any] | None:
    """Return a Struct's fields by their JSON names; those that are not set are left out."""
    # By way of JSON: plugins get lists, never our own objects to change under our hands.
    found: dict[str, Any] | None = None if value is None else msgspec.json.decode(msgspec.json.encode(value))
    return found
