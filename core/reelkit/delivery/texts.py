"""Playlists as they were last sent: making one again costs more than sending it."""

from __future__ import annotations

from collections import OrderedDict

from reelkit.catalog.playback import Playback
from reelkit.delivery.answering import Answer
from reelkit.delivery.bodies import BytesBody

__all__ = ["Texts"]

CAPACITY = 8 << 20
"""Bytes of bodies; those of one video have some 10 KiB for each viewer of a private one."""
OVERHEAD = 512


class Texts:
    """Answers in memory by address and session, the least recently asked for going first."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[str, str | None], tuple[Playback, Answer]] = OrderedDict()
        self._total = 0

    def get(self, path: str, session: str | None, view: Playback) -> Answer | None:
        """Return what was made for this address and session out of this very view; a newer view may say otherwise."""
        key = (path, session)
        held = self._held.get(key)
        if held is None or held[0] is not view:
            return None
        self._held.move_to_end(key)
        return held[1]

    def keep(self, path: str, session: str | None, view: Playback, found: Answer) -> None:
        """Remember an answer, if it is one in memory and not one of the longest."""
        if not isinstance(found.body, BytesBody) or found.body.size > CAPACITY >> 4:
            return
        before = self._held.pop((path, session), None)
        if before is not None:
            self._total -= before[1].body.size + OVERHEAD
        self._held[path, session] = (view, found)
        self._total += found.body.size + OVERHEAD
        while self._total > CAPACITY:
            _, (_, dropped) = self._held.popitem(last=False)
            self._total -= dropped.body.size + OVERHEAD
