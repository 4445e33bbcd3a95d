"""Lazy ladders: of a copied picture one small size is made at once, the rest when it is watched or nothing else is due.

A copy plays everywhere, and 360p on the connections that cannot carry it; both together cost an eighth of the whole ladder.
Many uploads at once are all watchable well before the first of them has all of its sizes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import structlog

from reelkit.catalog.playback import Playback
from reelkit.catalog.renditions import Rendition
from reelkit.catalog.sources import Source

if TYPE_CHECKING:
    from reelkit.jobs.engine import JobEngine

__all__ = ["FIRST", "REST", "Attention", "is_due", "is_lazy", "rest_of", "submit_ladder"]

FIRST, REST = "first", "rest"
"""Parts of a ladder. Without one, a job makes all of it."""
_AT_ONCE = "360p"
_SMALL = frozenset({"360p", "240p"})
_WATCHED, _IDLE = 1, 2
"""Priorities of the rest: behind all that is not watchable everywhere yet."""
_REMEMBERED = 10_000

log = structlog.get_logger("reelkit.jobs")


def is_lazy(renditions: Iterable[Rendition]) -> bool:
    """Tell whether a ladder is worth to be made in two runs, which decode twice: with sizes above 360p below the copy."""
    kinds = {(rendition.kind, rendition.quality) for rendition in renditions}
    rungs = {quality for kind, quality in kinds if kind == "encoded"}
    return "copy" in {kind for kind, _ in kinds} and _AT_ONCE in rungs and bool(rungs - _SMALL)


def is_due(quality: str, part: str | None) -> bool:
    """Tell whether a rendition is made by a job. part: the job's, None: of all."""
    return part is None or (quality == _AT_ONCE) == (part == FIRST)


async def submit_ladder(engine: JobEngine, source: Source, renditions: Iterable[Rendition], *, lazy: bool) -> None:
    """Have the ladder of a source made. Raises JobsUnavailable."""
    if not (lazy and is_lazy(renditions)):
        await engine.submit("transcode", source.id, {"source_id": source.id})
        return
    await engine.submit("transcode", source.id, {"source_id": source.id, "part": FIRST})
    await engine.submit("transcode", rest_of(source), {"source_id": source.id, "part": REST}, priority=_IDLE)


def rest_of(source: Source) -> str:
    """Return the key of the job that makes the rest of a lazy ladder."""
    return f"{source.id}:rest"


class Attention:
    """Has the rest of a ladder made sooner, once somebody watches. One a process; remembers what it asked for."""

    def __init__(self, engine: JobEngine) -> None:
        self._engine = engine
        self._asked: OrderedDict[str, None] = OrderedDict()

    async def watched(self, view: Playback) -> None:
        """Be told that a player reads the picture of a video. Never fails: it is made in its turn then."""
        source = view.source
        if source is None or not view.lazy or source.id in self._asked:
            return
        self._asked[source.id] = None
        if len(self._asked) > _REMEMBERED:
            self._asked.popitem(last=False)
        try:
            await self._engine.hasten("transcode", rest_of(source), _WATCHED)
        except Exception as error:
            log.warning("a ladder is not hastened", source=source.id, error=str(error))
