"""How storyboards are laid out."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from reelkit.interfaces.media import VideoStream
from reelkit_ffmpeg.storyboard import storyboard_of, webvtt


def video(width: int, height: int) -> VideoStream:
    return VideoStream("h264", width, height, width, height, Fraction(30))


@given(duration=st.floats(0.04, 10 * 86400), width=st.integers(1, 8192), height=st.integers(1, 8192))
def test_sheets_stay_few_and_small(duration: float, width: int, height: int) -> None:
    board = storyboard_of(video(width, height), duration)
    assert 1 <= board.tiles <= 1000
    assert board.columns <= 10 and board.rows <= 10
    assert board.tiles <= 10 * board.columns * board.rows
    assert 2 <= board.width <= 160 and 2 <= board.height <= 284
    assert (board.tiles - 1) * board.interval < duration


@given(duration=st.floats(0.5, 4 * 3600))
def test_every_moment_has_its_tile(duration: float) -> None:
    board = storyboard_of(video(1920, 1080), duration)
    sheets = [f"{number}.jpg" for number in range(-(-board.tiles // (board.columns * board.rows)))]
    cues = webvtt(board, sheets, duration).strip().split("\n\n")[1:]
    times = [cue.splitlines()[0].split(" --> ") for cue in cues]
    assert times[0][0] == "00:00:00.000"
    assert all(before[1] == after[0] for before, after in pairwise(times))
    hours, minutes, seconds = times[-1][1].split(":")
    assert abs(int(hours) * 3600 + int(minutes) * 60 + float(seconds) - duration) < 0.001


def test_two_hours_are_eight_sheets_of_a_tile_every_ten_seconds() -> None:
    board = storyboard_of(video(1920, 1080), 7200)
    assert (board.interval, board.tiles, board.columns, board.rows, board.width, board.height) == (10, 720, 10, 10, 160, 90)


def test_an_upright_picture_has_upright_tiles() -> None:
    board = storyboard_of(video(1080, 1920), 60)
    assert (board.width, board.height) == (160, 284)
