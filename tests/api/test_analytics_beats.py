"""Beats, taken apart: times by our clock, viewers by a digest, devices by their words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reelkit.api.analytics_agents import agent_of
from reelkit.api.analytics_beats import OLDEST, Sender, read_beat, sender_of
from reelkit.problems import InvalidPayload

NOW = 1_790_000_000_000
DAY = 86_400_000
KEY = b"k" * 32
SENDER = Sender("203.0.113.7", "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36", "https://from.example/")


def read(sender: Sender = SENDER, now: int = NOW, key: bytes = KEY, **changes: Any) -> list[Any]:
    beat = {"sat": 50_000, "sid": "s", "pid": "p", "mid": "vi1", "ref": None, "eve": [{"eat": 40_000, "typ": 2}]} | changes
    return list(read_beat(msgspec.json.encode(beat), sender, now, key))


def test_the_age_of_an_event_counts_not_the_players_clock() -> None:
    told = [{"eat": at, "typ": 4} for at in (40_000, 50_000, 60_000, -(10**12))]
    assert [event.at for event in read(eve=told)] == [NOW - 10_000, NOW, NOW, NOW - OLDEST]


def test_a_viewer_is_one_on_one_day_only() -> None:
    (first,), (again,), (other,) = read(), read(sid="x", pid="y", mid="vi2"), read(Sender("203.0.113.8", SENDER.agent, ""))
    (tomorrow,), (elsewhere,) = read(now=NOW + DAY), read(key=b"x" * 32)
    assert first.viewer == again.viewer
    assert len({first.viewer, other.viewer, tomorrow.viewer, elsewhere.viewer}) == 4
    assert first.playback != again.playback
    assert "203.0.113" not in repr(first)


def test_the_page_is_named_by_the_player_or_by_the_header() -> None:
    assert read()[0].profile.referrer == "https://from.example/"
    assert read(ref="https://page.example/a#b")[0].profile.referrer == "https://page.example/a"
    assert read(ref="")[0].profile.referrer == ""


def test_what_a_sender_says_of_others_is_not_believed() -> None:
    assert sender_of([(b"x-forwarded-for", b"9.9.9.9")], "8.8.8.8").address == "8.8.8.8"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["eat", "typ", "vti", "pau"]), inner),
    max_leaves=12,
)


@given(beat=st.fixed_dictionaries({}, optional=dict.fromkeys(("sat", "sid", "pid", "mid", "ref", "eve"), json_values)))
def test_any_json_is_events_within_bounds_or_refused(beat: dict[str, Any]) -> None:
    whole = {"sat": 1, "sid": "s", "pid": "p", "mid": "vi1", "eve": [{"eat": 1, "typ": 2}]} | beat
    try:
        found = read_beat(msgspec.json.encode(whole), SENDER, NOW, KEY)
    except InvalidPayload:
        return
    for event in found:
        assert NOW - OLDEST <= event.at <= NOW
        assert 1 <= event.kind <= 8
        for value in (event.position, event.width, event.height, event.error):
            assert value is None or abs(value) <= 10**15
        for value in (event.session, event.playback, event.viewer, event.profile_id):
            assert 0 <= value < 2**63
        assert "\0" not in event.profile.referrer


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/18 Safari/605", "computer mac osx/safari"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537 Chrome/140 Safari/537 Edg/140", "computer windows/edge"),
        ("Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537 Chrome/140 Mobile Safari/537", "phone android/chrome"),
        ("Mozilla/5.0 (Linux; Android 15; SM-X910) AppleWebKit/537 Chrome/140 Safari/537", "tablet android/chrome"),
        ("Dalvik/2.1.0 (Linux; U; Android 15; Pixel 9 Build/AP4A)", "phone android/unknown"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) CriOS/140 Mobile Safari/604", "phone ios/chrome"),
        ("Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0) AppleWebKit/537 Chrome/120 Safari/537", "tv tizen/chrome"),
        ("Mozilla/5.0 (PlayStation; PlayStation 5/6.0) AppleWebKit/605 Version/15 Safari/605", "console playstation/safari"),
        ("curl/8.0", "unknown unknown/unknown"),
        ("", "unknown unknown/unknown"),
    ],
)
def test_an_agent_is_told_in_three_words(agent: str, expected: str) -> None:
    found = agent_of(agent)
    assert f"{found.device_type} {found.operating_system}/{found.browser}" == expected
