"""Edit lists: which part of a track is shown, and from when. ISO/IEC 14496-12:2022, 8.6.6."""

from __future__ import annotations

import struct

import msgspec

from reelkit.media.mp4.boxes import uint
from reelkit.media.mp4.errors import CorruptMp4

__all__ = ["Edit", "read_edits"]

_MAX_ENTRIES = 100_000


class Edit(msgspec.Struct, frozen=True):
    """What an edit list comes down to: after `delay`, the media from media_time on is shown.

    delay: in movie timescale units. media_time, media_end: composition times in track units; end None: to the end.
    refusal: why one edit cannot stand for the list, for people.
    """

    media_time: int = 0
    delay: int = 0
    media_end: int | None = None
    refusal: str | None = None


def read_edits(elst: memoryview, movie_scale: int, track_scale: int, *, lasting: bool) -> Edit:
    """Reduce the contents of `elst` to one Edit. lasting: durations count (those of a fragmented file are placeholders).

    Empty edits before the media are a delay, after it nothing; pieces that follow each other are one. An edit at normal
    speed is taken whatever its rate field says. Raises CorruptMp4.
    """
    version, count = uint(elst, 0, 1), uint(elst, 4, 4)
    row = struct.Struct(">Qqi" if version == 1 else ">Iii")
    if count * row.size > len(elst) - 8:
        raise CorruptMp4(f"An edit list claims {count} entries and has room for {(len(elst) - 8) // row.size}.")
    if count > _MAX_ENTRIES:
        raise CorruptMp4(f"An edit list has {count} entries.")
    delay, pieces = 0, list[tuple[int, int | None]]()
    for number in range(count):
        duration, media_time, rate = row.unpack_from(elst, 8 + number * row.size)
        if media_time < 0:
            # Empty edits behind the last piece are a trailing pause; one in between is found below.
            if not pieces:
                delay += duration
            continue
        if rate in (0x20000, 0x40000, 0x8000) or rate < 0:
            return Edit(refusal="The file changes its speed by an edit list.")
        end = None
        if lasting and duration:
            end = media_time + (duration * track_scale * 2 + movie_scale) // (movie_scale * 2)
        pieces.append((media_time, end))
        if not lasting:
            break
    if not pieces:
        return Edit()
    media_time, media_end = pieces[0]
    for start, end in pieces[1:]:
        slack = -(-track_scale // movie_scale)
        if media_end is None or abs(start - media_end) > slack:
            return Edit(media_time, delay, media_end, "The file is put together from several pieces by an edit list.")
        media_end = end
    if delay * track_scale > movie_scale * (1 << 40) or media_time >= 1 << 60:
        return Edit()
    return Edit(media_time, delay, media_end)
