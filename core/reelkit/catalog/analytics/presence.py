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
from reelkit.catalog.binding import engine
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
    found = await stretches(scope, first, stop, wanted, ALL if isinstance(by, Every) else by, unique)
    return await asyncio.to_thread(swept, found, first, stop, by)


class Stretches(msgspec.Struct, frozen=True):
    """Columns of equal length, each as JSON. keys, viewers: empty when nobody asks for them."""

    begins: str
    ends: str
    keys: str
    viewers: str


async def stretches(scope: Scope, first: int, stop: int, wanted: Filter, by: str, unique: bool) -> Stretches:
    """Return the stretches that reach into some slots, with their keys as the database spells them.

    Whole columns in one row: a row for each of some 100,000 stretches would cost more than all the rest.
    """
    key = column_of(by, "s")
    join = ""
    if wanted.of_profile() or key.startswith("p."):
        join = " JOIN analytics_profile p ON p.project = s.project AND p.environment = s.environment AND p.id = s.profile"
    media, of_media = wanted.media_condition(scope, "s.media_id")
    profile, of_profile = wanted.profile_condition("p")
    column = "json_agg({})::text" if engine().engine_type == "postgres" else "json_group_array({})"
    (row,) = await fetch(
        f"SELECT {column.format('s.first_slot')} AS begins, {column.format('s.last_slot')} AS ends,"
        f" {column.format(key) if by != ALL else 'NULL'} AS keys,"
        f" {column.format('s.viewer') if unique else 'NULL'} AS viewers FROM analytics_stretch s{join}"
        " WHERE s.project = {} AND s.environment = {} AND s.last_slot >= {} AND s.first_slot < {}"
        f"{media}{profile}",
        scope.project,
        scope.environment,
        first,
        stop,
        *of_media,
        *of_profile,
    )
    return Stretches(*(row[name] or "" for name in Stretches.__struct_fields__))


def numbers(column: str) -> Ints:
    """Return a column of whole numbers."""
    return np.array(msgspec.json.decode(column, type=list[int]), np.int64)


def swept(found: Stretches, first: int, stop: int, by: Key) -> dict[Any, Concurrency]:
    """Return what stretches come to within first <= slot < stop."""
    if len(found.begins) <= len("[]"):
        return {}
    begins = np.maximum(numbers(found.begins), first)
    ends = np.minimum(numbers(found.ends) + 1, stop)
    names: dict[Any, int] = {"": 0}
    keys = np.zeros(len(begins), np.int64)
    if found.keys:
        spelt = msgspec.json.decode(found.keys, type=list[str])
        names = {}
        code = {key: names.setdefault(spoken(by, key), len(names)) for key in dict.fromkeys(spelt)}
        keys = np.fromiter(map(code.__getitem__, spelt), np.int64, len(spelt))
    if found.viewers:
        keys, begins, ends = joined(keys, numbers(found.viewers), begins, ends)
    if isinstance(by, Every):
        return over_time(begins, ends, first, stop, by)
    if not found.keys:
        height = heights(begins, ends, first, stop)
        return {"": Concurrency(int(height.max()), float(height.mean()))}
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


def heights(begins: Ints, ends: Ints, first: int, stop: int) -> Ints:
    """Return how many stretches there are in each slot."""
    size = stop - first + 1
    steps = np.bincount(begins - first, minlength=size) - np.bincount(ends - first, minlength=size)
    return np.cumsum(steps)[:-1]


def over_time(begins: Ints, ends: Ints, first: int, stop: int, by: Every) -> dict[Any, Concurrency]:
    """Return what each bucket comes to. A bucket at an end of the window may be a part of one."""
    height = heights(begins, ends, first, stop)
    buckets = (np.arange(first, stop) + by.ahead // SLOT) // (by.ms // SLOT)
    starts = np.flatnonzero(np.r_[True, buckets[1:] != buckets[:-1]])
    peaks = np.maximum.reduceat(height, starts)
    sums = np.add.reduceat(height, starts)
    sizes = np.diff(np.r_[starts, stop - first])
    return {
        int(buckets[start]): Concurrency(int(peak), float(total) / int(size))
        for start, peak, total, size in zip(starts, peaks, sums, sizes, strict=True)
        if peak > 0
    }
