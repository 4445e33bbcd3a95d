"""What a User-Agent says of a viewer's device, in the few words that reports need."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["Agent", "agent_of"]

UNKNOWN: Final = "unknown"

# The first that is found wins: many agents claim to be their predecessors as well.
SYSTEMS: Final = (
    ("windows phone", "windows phone"),
    ("tizen", "tizen"),
    ("web0s", "webos"),
    ("webos", "webos"),
    ("iphone", "ios"),
    ("ipad", "ios"),
    ("ipod", "ios"),
    ("appletv", "tvos"),
    ("apple tv", "tvos"),
    ("android", "android"),
    ("cros ", "chrome os"),
    ("playstation", "playstation"),
    ("xbox", "xbox"),
    ("windows", "windows"),
    ("mac os x", "mac osx"),
    ("macintosh", "mac osx"),
    ("linux", "linux"),
)
BROWSERS: Final = (
    ("edg/", "edge"),
    ("edga/", "edge"),
    ("edgios/", "edge"),
    ("edge/", "edge"),
    ("opr/", "opera"),
    ("opera", "opera"),
    ("samsungbrowser/", "samsung browser"),
    ("yabrowser/", "yandex"),
    ("vivaldi/", "vivaldi"),
    ("fxios/", "firefox"),
    ("firefox/", "firefox"),
    ("crios/", "chrome"),
    ("chrome/", "chrome"),
    ("chromium/", "chrome"),
    ("msie ", "internet explorer"),
    ("trident/", "internet explorer"),
    ("safari/", "safari"),
    ("applewebkit/", "safari"),
)
TELEVISIONS: Final = (
    "smart-tv",
    "smarttv",
    "googletv",
    "hbbtv",
    "apple tv",
    "appletv",
    "aft",
    "bravia",
    "roku",
    "crkey",
    " tv",
)
# Browsers on tablets leave out "Mobile"; apps, which come with the agent of their system, never say it.
NO_TABLETS: Final = ("mobile", "dalvik/", "okhttp/")
CONSOLES: Final = ("playstation", "xbox", "nintendo")


class Agent(NamedTuple):
    """device_type: computer, phone, tablet, tv, console, or unknown."""

    device_type: str
    operating_system: str
    browser: str


@lru_cache(maxsize=2048)
def agent_of(header: str) -> Agent:
    """Read a User-Agent header."""
    text = header.lower()
    system = next((name for mark, name in SYSTEMS if mark in text), UNKNOWN)
    browser = next((name for mark, name in BROWSERS if mark in text), UNKNOWN)
    if any(mark in text for mark in CONSOLES):
        device = "console"
    elif any(mark in text for mark in TELEVISIONS) or system in ("tizen", "webos", "tvos"):
        device = "tv"
    elif "ipad" in text or "tablet" in text or (system == "android" and not any(mark in text for mark in NO_TABLETS)):
        device = "tablet"
    elif system in ("ios", "android", "windows phone") or "mobile" in text:
        device = "phone"
    elif system == UNKNOWN:
        device = UNKNOWN
    else:
        device = "computer"
    return Agent(device, system, browser)
