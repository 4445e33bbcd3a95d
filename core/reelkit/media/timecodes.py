"""Timecodes of the contract: moments of a video as people write them."""

from __future__ import annotations

import re

__all__ = ["timecode_seconds"]

_TIMECODE = re.compile(r"(?:(\d{2,3}):([0-5]\d):([0-5]\d)(\.\d{1,3}|:\d{1,2})?|(\d{1,7}))", re.ASCII)
"""The contract's pattern of `video-clip`."""


def timecode_seconds(timecode: str, frame_rate: float = 25.0) -> float | None:
    """Return the seconds that `HH:MM:SS[.mmm]`, `HH:MM:SS:frame` or `seconds` says; None when it is none of these."""
    match = _TIMECODE.fullmatch(timecode)
    if match is None:
        return None
    hours, minutes, seconds, rest, plain = match.groups()
    if plain is not None:
        return float(plain)
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    if rest is None:
        return float(whole)
    return whole + (float(f"0{rest}") if rest[0] == "." else int(rest[1:]) / frame_rate)
