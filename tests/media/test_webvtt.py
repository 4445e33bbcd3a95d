"""WebVTT as strangers write it: read without failing, and never slowly."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reelkit.media.webvtt import PIECE, read_text, spoken, well_formed, word_count


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("WEBVTT", True),
        ("WEBVTT\n\n", True),
        ("WEBVTT - a title\n", True),
        ("WEBVTT\tx", True),
        ("WEBVTTX\n", False),
        (" WEBVTT\n", False),
        ("", False),
        ("1\n00:00:00,000 --> 00:00:01,000\nSubRip\n", False),
    ],
)
def test_a_file_is_known_by_its_signature(text: str, taken: bool) -> None:
    assert well_formed(text) is taken


def test_only_what_is_said_is_taken_from_a_file() -> None:
    text = """WEBVTT - title

STYLE
::cue { color: red }

NOTE
nobody says this --> here

intro
00:00.000 --> 00:02.000 line:0 align:start
<v Ann>Hello &amp; <i>wel</i>come</v>
- second line

100:00:02.000 --> 100:00:03.000
1 < 2 <c.loud>yes
"""
    assert spoken(text) == "Hello & welcome - second line 1 < 2 yes"


@given(st.binary(max_size=200))
def test_any_bytes_become_text_that_every_database_and_player_takes(data: bytes) -> None:
    text = read_text(data)
    assert text.encode("utf-8").decode("utf-8") == text
    assert "\0" not in text and "\r" not in text
    spoken("WEBVTT\n\n00:00.000 --> 00:01.000\n" + text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("shift", range(4))
def test_a_long_file_is_read_as_a_short_one(encoding: str, shift: int) -> None:
    text = "x" * shift + "ä😀" * PIECE
    assert read_text(text.encode(encoding)) == text


def test_a_broken_file_is_read_while_others_go_on() -> None:
    broken = b"\xff\xfe" + b"\x00\xd8" * (5 << 20)
    reading = threading.Thread(target=read_text, args=(broken,))
    reading.start()
    waits, last = [0.0], time.perf_counter()
    while reading.is_alive():
        time.sleep(0.001)
        waits.append(time.perf_counter() - last)
        last = time.perf_counter()
    assert max(waits) < 0.4, "in one piece it takes a second"


@pytest.mark.parametrize("filling", ["<", "&", "<<>", "00:", " ", "00:00.000 -->\n", "&#x10ffff"])
def test_hostile_files_are_read_in_linear_time(filling: str) -> None:
    text = "WEBVTT\n\n00:00.000 --> 00:01.000\n" + filling * (2_000_000 // len(filling))
    start = time.process_time()
    spoken(text)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("Bon jour à tous", 4),
        ("안녕하세요 여러분", 2),
        ("今天天气很好我们去公园吧", 6),
        ("สวัสดีครับ", 5),
        ("あの film は", 2),
    ],
)
def test_words_are_counted_where_no_blank_parts_them(text: str, words: int) -> None:
    assert word_count(text) == words
