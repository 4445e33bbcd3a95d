"""The steps by which the schema came to be what it is: one file a step, forward only, never changed once released."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from reelkit.catalog.migrations import step_0001

__all__ = ["STEPS", "Step"]


class Step(msgspec.Struct, frozen=True):
    """One change of the schema. number: from 1, without gaps; statements: the SQL of an engine, run in one transaction."""

    number: int
    name: str
    statements: Callable[[Literal["sqlite", "postgres"]], Sequence[str]]


STEPS: tuple[Step, ...] = (Step(1, "projects, keys, videos, sources, renditions", step_0001.statements),)
