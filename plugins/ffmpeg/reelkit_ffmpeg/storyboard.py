"""Storyboards: small pictures of the whole video on a few sheets, and the WebVTT that says which is where."""

from __future__ import annotations

import math

import msgspec
from reelkit.interfaces.media import VideoStream

__all__ = ["Storyboard", "storyboard_of", "webvtt"]

_SIDE = 10
"""Tiles in a full row and rows on a full sheet."""
_WIDTH = 160
_TALLEST = 284
_MOST = 1000
"""Tiles of the longest video: ten sheets."""


class Storyboard(msgspec.Struct, frozen=True):
    """width, height: pixels of a tile; interval: whole seconds between tiles; columns, rows: tiles of one sheet."""

    width: int
    height: int
    interval: int
    columns: int
    rows: int
    tiles: int


def storyboard_of(video: VideoStream, duration: float) -> Storyboard:
    """Lay out the storyboard: a tile a second for up to 100 s, one sheet up to 1000 s, ten sheets at most."""
    if duration <= 10 * _SIDE**2:
        interval = max(1, math.ceil(duration / _SIDE**2))
    else:
        interval = max(10, math.ceil(duration / _MOST))
    # A rest of less than half an interval belongs to the tile before it.
    tiles = max(1, math.ceil(duration / interval - 0.5))
    scale = min(_WIDTH / video.width, _TALLEST / video.height)
    return Storyboard(
        width=max(2, 2 * round(video.width * scale / 2)),
        height=max(2, 2 * round(video.height * scale / 2)),
        interval=interval,
        columns=min(_SIDE, tiles),
        rows=min(_SIDE, math.ceil(tiles / _SIDE)),
        tiles=tiles,
    )


def webvtt(board: Storyboard, sheets: list[str], duration: float) -> str:
    """Write the WebVTT that players read: a cue a tile, its picture as `sheet.jpg#xywh=x,y,w,h`."""
    cues = ["WEBVTT"]
    per_sheet = board.columns * board.rows
    for tile in range(min(board.tiles, per_sheet * len(sheets))):
        sheet, place = divmod(tile, per_sheet)
        row, column = divmod(place, board.columns)
        start, end = tile * board.interval, (tile + 1) * board.interval if tile + 1 < board.tiles else duration
        where = f"{column * board.width},{row * board.height},{board.width},{board.height}"
        cues.append(f"{_clock(start)} --> {_clock(end)}\n{sheets[sheet]}#xywh={where}")
    return "\n\n".join(cues) + "\n"


def _clock(seconds: float) -> str:
    """Format a WebVTT time."""
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}.{whole % 1000:03}"
