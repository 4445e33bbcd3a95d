"""How many watch at the same time: stretches of 10 s slots, swept from one end of the window to the other."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from reelkit.catalog.analytics.counting import ALL, Every, Key, column_of, spoken
from reelkit.catalog.analytics.events import SLOT
from reelkit.catalog.analytics.filters import Filter, Window
from reelkit.catalog.analytics.sql import fetch
from reelkit.catalog.scope import Scope

__all__ = ["Concurrency", "concurrent"]

Ints = npt.NDArray[np.int64]


class Concurrency(msgspec.Struct, frozen=True):
    """How many watched at once. peak: the most in one slot; average: over all slots of the window or bucket."""

    peak: int = 0
    average: float = 0.0


async def concurrent(
    scope: Scope, window: Window, wanted: Filter, by: Key = ALL, *, unique: bool = False
) -> dict[Any, Concurrency]:
    """Return how many watched at once, by key as `counting.counted` does; nobody watched what is missing.

    A slot counts when it begins before the window's end and ends after its start. unique: one viewer in two tabs is one.
    """
    first, stop = window.start // SLOT, -(-window.stop // SLOT)
    if stop <= first:
        return {}
    rows = await stretches(scope, first, stop, wanted, ALL if isinstance(by, Every) else by)
    return await asyncio.to_thread(swept, rows, first, stop, by, unique)


async def stretches(scope: Scope, first: int, stop: int, wanted: Filter, by: str) -> list[dict[str, Any]]:
    """Return the stretches that reach into some slots, with their keys as the database spells them."""
    key = column_of(by, "s")
    join = ""
    if wanted.of_profile() or key.startswith("p."):
        join = " JOIN analytics_profile p ON p.project = s.project AND p.environment = s.environment AND p.id = s.profile"
    media, of_media = wanted.media_condition(scope, "s.media_id")
    profile, of_profile = wanted.profile_condition("p")
    return await fetch(
        f"SELECT {key} AS key, s.first_slot AS first, s.last_slot AS last, s.viewer FROM analytics_stretch s{join}"
        " WHERE s.project = {} AND s.environment = {} AND s.last_slot >= {} AND s.first_slot < {}"
        f"{media}{profile}",
        scope.project,
        scope.environment,
        first,
        stop,
        *of_media,
        *of_profile,
    )


def swept(rows: list[dict[str, Any]], first: int, stop: int, by: Key, unique: bool) -> dict[Any, Concurrency]:
    """Return what stretches come to within first <= slot < stop."""
    if not rows:
        return {}
    names: dict[Any, int] = {}
    name_of = {key: spoken(by, key) for key in {row["key"] for row in rows}}
    keys = np.fromiter((names.setdefault(name_of[row["key"]], len(names)) for row in rows), np.int64, len(rows))
    begins = np.fromiter((max(row["first"], first) for row in rows), np.int64, len(rows))
    ends = np.fromiter((min(row["last"] + 1, stop) for row in rows), np.int64, len(rows))
    if unique:
        viewers = np.fromiter((row["viewer"] for row in rows), np.int64, len(rows))
        keys, begins, ends = joined(keys, viewers, begins, ends)
    if isinstance(by, Every):
        return over_time(begins, ends, first, stop, by.ms // SLOT)
    peaks = peak_of_each(keys, begins, ends, len(names))
    lengths = np.bincount(keys, weights=ends - begins, minlength=len(names))
    return {name: Concurrency(int(peaks[number]), float(lengths[number]) / (stop - first)) for name, number in names.items()}


def joined(keys: Ints, viewers: Ints, begins: Ints, ends: Ints) -> tuple[Ints, Ints, Ints]:
    """Join the stretches of one viewer that overlap or touch; returns keys, begins, ends."""
    order = np.lexsort((begins, viewers, keys))
    keys, viewers, begins, ends = keys[order], viewers[order], begins[order], ends[order]
    other = np.r_[True, (keys[1:] != keys[:-1]) | (viewers[1:] != viewers[:-1])]
    # Each viewer gets a range of numbers of its own, so that one running maximum serves all.
    shift = np.cumsum(other) * (int(ends.max()) + 1)
    reach = np.maximum.accumulate(ends + shift)
    fresh = other | np.r_[True, (begins + shift)[1:] > reach[:-1]]
    starts = np.flatnonzero(fresh)
    return keys[starts], begins[starts], np.maximum.reduceat(ends, starts)


def peak_of_each(keys: Ints, begins: Ints, ends: Ints, total: int) -> Ints:
    """Return for each key how many stretches overlap at most."""
    steps = np.r_[np.ones(len(begins), np.int64), -np.ones(len(ends), np.int64)]
    slots, of = np.r_[begins, ends], np.r_[keys, keys]
    # Who leaves at a slot is gone before who comes with it is counted. Each key ends at 0, so the sum runs on.
    order = np.lexsort((steps, slots, of))
    height = np.cumsum(steps[order])
    peaks = np.zeros(total, np.int64)
    np.maximum.at(peaks, of[order], height)
    return peaks


def over_time(begins: Ints, ends: Ints, first: int, stop: int, slots: int) -> dict[Any, Concurrency]:
    """Return what each bucket of so many slots comes to. A bucket at an end of the window may be a part of one."""
    steps = np.bincount(begins - first, minlength=stop - first + 1) - np.bincount(ends - first, minlength=stop - first + 1)
    height = np.cumsum(steps)[:-1]
    numbers = np.arange(first, stop) // slots
    starts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]])
    peaks = np.maximum.reduceat(height, starts)
    sums = np.add.reduceat(height, starts)
    sizes = np.diff(np.r_[starts, stop - first])
    return {
        int(numbers[start]): Concurrency(int(peak), float(total) / int(size))
        for start, peak, total, size in zip(starts, peaks, sums, sizes, strict=True)
        if peak > 0
    }
