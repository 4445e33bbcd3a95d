"""The ladder in one ffmpeg against one ffmpeg a resolution: CPU seconds for the same five renditions."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

from tests.bench.results import Row
from tests.bench.samples import ffmpeg, one_minute

__all__ = ["run"]


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
