"""The steps by which the schema came to be what it is: one file a step, forward only, never changed once released."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from reelkit.catalog.migrations import (
    step_0001,
    step_0002,
    step_0003,
    step_0004,
    step_0005,
    step_0006,
    step_0007,
    step_0008,
    step_0009,
    step_0010,
    step_0011,
    step_0012,
    step_0013,
    step_0014,
    step_0015,
    step_0016,
)

__all__ = ["STEPS", "Step"]


class Step(msgspec.Struct, frozen=True):
    """One change of the schema. number: from 1, without gaps; statements: the SQL of an engine, run in one transaction."""

    number: int
    name: str
    statements: Callable[[Literal["sqlite", "postgres"]], Sequence[str]]


STEPS: tuple[Step, ...] = (
    Step(1, "projects, keys, videos, sources, renditions", step_0001.statements),
    Step(2, "tokens", step_0002.statements),
    Step(3, "discarded videos, tags, sources from elsewhere", step_0003.statements),
    Step(4, "upload tokens and parts", step_0004.statements),
    Step(5, "captions, chapters, summaries", step_0005.statements),
    Step(6, "watermarks and player themes", step_0006.statements),
    Step(7, "live streams", step_0007.statements),
    Step(8, "webhooks and their deliveries", step_0008.statements),
    Step(9, "analytics", step_0009.statements),
    Step(10, "access requests", step_0010.statements),
    Step(11, "used playback tokens", step_0011.statements),
    Step(12, "playback policies", step_0012.statements),
    Step(13, "bytes that keys took", step_0013.statements),
    Step(14, "untold events, wishes for captions", step_0014.statements),
    Step(15, "MP4 files of other sources", step_0015.statements),
    Step(16, "suspended projects", step_0016.statements),
)
