"""Key frames: whether the sync samples of H.264 are IDR frames, or I frames of open GOPs.

Chromium takes every I frame with a recovery point for one that it can start with after a seek, whatever the file says,
and ends with a decode error when frames behind it refer to ones before it. Encoders are of one mind through a file, so a
few sync samples are looked at.
"""

from __future__ import annotations

import asyncio

import numpy as np

from reelkit.media.mp4.layout import ReadAt
from reelkit.media.mp4.tracks import Track

__all__ = ["has_open_gops", "is_idr"]

_LOOKED_AT = 12
_PEEK = 2048
_IDR = 5


async def has_open_gops(read_at: ReadAt, track: Track) -> bool:
    """Tell whether a picture of H.264 has sync samples that are no IDR frames. Raises what read_at raises."""
    samples = track.samples
    if track.codec != "h264" or samples is None or not len(numbers := samples.sync_numbers()):
        return False
    spread = numbers[np.linspace(0, len(numbers) - 1, _LOOKED_AT).astype(np.int64)]
    places = [samples.ranges(number, number + 1) for number in np.unique(np.append(numbers[:4], spread)).tolist()]
    found = await asyncio.gather(*(read_at(start, min(stop, start + _PEEK)) for place in places for start, stop in place))
    return not all(is_idr(sample, track.nal_length) for sample in found)


def is_idr(sample: bytes, length: int) -> bool:
    """Tell whether an H.264 sample is an IDR frame, from its first bytes; True when they do not reach its first slice.

    length: bytes of the size before each NAL unit. ISO/IEC 14496-15, 5.3.4.2; ITU-T H.264, table 7-1.
    """
    place = 0
    while place + length < len(sample):
        kind = sample[place + length] & 0x1F
        if 1 <= kind <= _IDR:
            return kind == _IDR
        place += length + int.from_bytes(sample[place : place + length], "big")
    return True
