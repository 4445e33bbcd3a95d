"""Playlists: text builders for HLS. RFC 8216, and draft-pantos-hls-rfc8216bis for CHANNELS."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

__all__ = [
    "GROWING",
    "AudioRendition",
    "Segment",
    "Subtitles",
    "Variant",
    "master_playlist",
    "media_playlist",
    "text_playlist",
]

_START_BANDWIDTH = 6_000_000
GROWING = "org.reelkit.growing"
"""Session data of a master playlist that more will join."""
_TEXTS = "text"
"""The only group of captions."""


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a master playlist. bandwidth, average_bandwidth: of the picture alone, bits per second, measured.

    codecs: RFC 6381 of the picture; empty when unknown. audio: group of AudioRendition, whose rate and codecs are added.
    width, height: as displayed; 0 without a picture.
    """

    uri: str
    bandwidth: int
    average_bandwidth: int = 0
    codecs: str = ""
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    audio: str | None = None
    name: str | None = None


class AudioRendition(msgspec.Struct, frozen=True, kw_only=True):
    """One sound that players can choose. bandwidth: peak, bits per second. language: ISO 639, und when unknown."""

    uri: str
    name: str
    bandwidth: int
    average_bandwidth: int = 0
    codecs: str = ""
    group: str = "audio"
    language: str = "und"
    default: bool = False
    channels: int = 0


class Subtitles(msgspec.Struct, frozen=True, kw_only=True):
    """Captions that players can choose, for every variant. language: BCP 47; default: shown unless told otherwise."""

    uri: str
    name: str
    language: str
    default: bool = False


class Segment(msgspec.Struct, frozen=True):
    """One entry of a media playlist. duration: seconds."""

    uri: str
    duration: float


def master_playlist(
    variants: Iterable[Variant],
    audio: Iterable[AudioRendition] = (),
    subtitles: Iterable[Subtitles] = (),
    *,
    independent_segments: bool = True,
    growing: bool = False,
) -> str:
    """Write a master playlist. growing: more will join it, so that players who look again find something new.

    The variant to start with stands first: the best of at most 6 Mb/s; the others follow, best first. The bandwidth of
    a variant is that of its picture and of the largest sound of its group. Names of sounds are made unique in a group.
    Raises ValueError when there is no variant, a group does not exist, or a value cannot be written.
    """
    sounds = _named(audio)
    groups: dict[str, list[AudioRendition]] = {}
    for sound in sounds:
        groups.setdefault(sound.group, []).append(sound)
    lines = ["#EXTM3U", "#EXT-X-VERSION:7"]
    if independent_segments:
        lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    if growing:
        lines.append(f'#EXT-X-SESSION-DATA:DATA-ID="{GROWING}",VALUE="yes"')
    for members in groups.values():
        chosen = next((sound for sound in members if sound.default), members[0])
        lines += [_media(sound, default=sound is chosen) for sound in members]
    texts = _subtitles(subtitles)
    lines += texts
    ordered = _ordered(list(variants))
    if not ordered:
        raise ValueError("A master playlist needs at least one variant.")
    for variant in ordered:
        if variant.audio is not None and variant.audio not in groups:
            raise ValueError(f"A variant names the audio group {variant.audio!r}, which does not exist.")
        sounds = groups.get(variant.audio, []) if variant.audio is not None else []
        lines += _variant(variant, sounds, captioned=bool(texts))
    return "\n".join(lines) + "\n"


def media_playlist(
    segments: Sequence[Segment],
    *,
    init: str,
    ended: bool = True,
    kind: Literal["VOD", "EVENT"] = "VOD",
    target_duration: int | None = None,
    independent_segments: bool = False,
) -> str:
    """Write a media playlist. init: URI of the init segment.

    kind EVENT with ended=False is one that grows; its target_duration must be given and stay the same. A longer segment
    than target_duration is an error, as rounding to whole seconds decides (RFC 8216, 4.3.3.1). Raises ValueError.
    """
    if kind == "VOD" and not ended:
        raise ValueError("A VOD playlist has all of its segments; one that grows is an EVENT.")
    longest = max((_rounded(segment.duration) for segment in segments), default=1)
    if target_duration is None:
        if not ended:
            raise ValueError("A playlist that grows needs a target duration that stays the same.")
        target_duration = max(longest, 1)
    elif longest > target_duration:
        raise ValueError(f"A segment of {longest} s does not fit a target duration of {target_duration} s.")
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{target_duration}"]
    lines += ["#EXT-X-MEDIA-SEQUENCE:0", f"#EXT-X-PLAYLIST-TYPE:{kind}"]
    if independent_segments:
        lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    lines.append(f"#EXT-X-MAP:URI={_quoted(init)}")
    for segment in segments:
        lines += [f"#EXTINF:{segment.duration:.6f},", _uri(segment.uri)]
    if ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def text_playlist(uri: str, duration: float) -> str:
    """Write the media playlist of one file of WebVTT. duration: seconds that it runs beside. Raises ValueError."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{max(_rounded(duration), 1)}"]
    lines += ["#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-PLAYLIST-TYPE:VOD", f"#EXTINF:{duration:.6f},", _uri(uri)]
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def _rounded(seconds: float) -> int:
    """Round half up, as the standard means it. Raises ValueError."""
    if not 0 <= seconds < 1e9:
        raise ValueError(f"A segment cannot last {seconds} s.")
    return int(seconds + 0.5)


def _quoted(text: str) -> str:
    """Write a quoted-string attribute, which knows no escape: RFC 8216, 4.2. Raises ValueError."""
    if '"' in text or not text.isprintable():
        raise ValueError(f"A playlist attribute cannot hold {text!r}.")
    return f'"{text}"'


def _spoken(text: str) -> str:
    """Make a name that people gave fit for a quoted-string."""
    return "".join(letter if letter.isprintable() else " " for letter in text.replace('"', "'")).strip()


def _uri(text: str) -> str:
    if not text or text[0] == "#" or text != text.strip() or not text.isprintable():
        raise ValueError(f"A playlist cannot hold the URI {text!r}.")
    return text


def _named(audio: Iterable[AudioRendition]) -> list[AudioRendition]:
    taken: set[tuple[str, str]] = set()
    found = []
    for sound in audio:
        name, number = _spoken(sound.name) or "Audio", 2
        base = name
        while (sound.group, name) in taken:
            name, number = f"{base} {number}", number + 1
        taken.add((sound.group, name))
        found.append(msgspec.structs.replace(sound, name=name))
    return found


def _media(sound: AudioRendition, *, default: bool) -> str:
    parts = ["TYPE=AUDIO", f"GROUP-ID={_quoted(sound.group)}", f"NAME={_quoted(sound.name)}"]
    if sound.language and sound.language != "und":
        parts.append(f"LANGUAGE={_quoted(sound.language)}")
    parts += [f"DEFAULT={'YES' if default else 'NO'}", "AUTOSELECT=YES"]
    if sound.channels:
        parts.append(f'CHANNELS="{sound.channels}"')
    return f"#EXT-X-MEDIA:{','.join(parts)},URI={_quoted(_uri(sound.uri))}"


def _subtitles(subtitles: Iterable[Subtitles]) -> list[str]:
    """Write captions as one group; a name that two of them have gets the language behind it."""
    lines: list[str] = []
    taken: set[str] = set()
    for one in subtitles:
        name = _spoken(one.name) or one.language
        if name in taken:
            name = f"{name} [{one.language}]"
        taken.add(name)
        parts = ["TYPE=SUBTITLES", f"GROUP-ID={_quoted(_TEXTS)}", f"NAME={_quoted(name)}"]
        parts += [f"LANGUAGE={_quoted(one.language)}", f"DEFAULT={'YES' if one.default else 'NO'}"]
        lines.append(f"#EXT-X-MEDIA:{','.join(parts)},AUTOSELECT=YES,FORCED=NO,URI={_quoted(_uri(one.uri))}")
    return lines


def _ordered(variants: list[Variant]) -> list[Variant]:
    best = sorted(variants, key=lambda variant: (-variant.height * variant.width, -variant.bandwidth))
    affordable = [variant for variant in best if variant.bandwidth <= _START_BANDWIDTH]
    start = affordable[0] if affordable else min(best, key=lambda variant: variant.bandwidth, default=None)
    return [] if start is None else [start, *(variant for variant in best if variant is not start)]


def _variant(variant: Variant, sounds: list[AudioRendition], *, captioned: bool) -> list[str]:
    peak = variant.bandwidth + max((sound.bandwidth for sound in sounds), default=0)
    average = variant.average_bandwidth + max((sound.average_bandwidth for sound in sounds), default=0)
    if peak <= 0:
        raise ValueError("A variant needs its bandwidth.")
    parts = [f"BANDWIDTH={peak}"]
    if variant.average_bandwidth and all(sound.average_bandwidth for sound in sounds):
        parts.append(f"AVERAGE-BANDWIDTH={min(average, peak)}")
    codecs = list(dict.fromkeys(codec for codec in (variant.codecs, *(sound.codecs for sound in sounds)) if codec))
    # An incomplete list is worse than none: players choose by it.
    if codecs and variant.codecs and all(sound.codecs for sound in sounds):
        parts.append(f"CODECS={_quoted(','.join(codecs))}")
    if variant.width and variant.height:
        parts.append(f"RESOLUTION={variant.width}x{variant.height}")
    if variant.frame_rate:
        parts.append(f"FRAME-RATE={variant.frame_rate:.3f}")
    if variant.audio is not None:
        parts.append(f"AUDIO={_quoted(variant.audio)}")
    if captioned:
        parts.append(f"SUBTITLES={_quoted(_TEXTS)}")
    if variant.name is not None:
        parts.append(f"NAME={_quoted(_spoken(variant.name))}")
    return [f"#EXT-X-STREAM-INF:{','.join(parts)}", _uri(variant.uri)]
