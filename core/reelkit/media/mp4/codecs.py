"""Codec configurations of sample entries: what a browser is told (RFC 6381) and what a probe wants to know."""

from __future__ import annotations

import msgspec

from reelkit.media.mp4.boxes import uint
from reelkit.media.mp4.errors import CorruptMp4
from reelkit.media.mp4.parameter_sets import may_be_interlaced

__all__ = [
    "Picture",
    "Sound",
    "aac_sound",
    "ac3_sound",
    "av1_picture",
    "avc_picture",
    "decoder_config",
    "eac3_sound",
    "flac_sound",
    "hevc_picture",
    "opus_sound",
    "vp9_picture",
]

_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_AAC_CHANNELS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8, 11: 7, 12: 8, 13: 24, 14: 8}
_AC3_CHANNELS = (2, 1, 2, 3, 3, 4, 4, 5)
_CHROMA = ("gray", "yuv420p", "yuv422p", "yuv444p")


class Picture(msgspec.Struct, frozen=True):
    """codecs: RFC 6381. pixel_format: ffmpeg's name. refusal: why browsers cannot show it though it can be cut.

    nal_length: bytes of the size before each NAL unit of H.264, else 0.
    """

    codecs: str
    pixel_format: str = ""
    nal_length: int = 0
    refusal: str | None = None


class Sound(msgspec.Struct, frozen=True):
    """codec: ffmpeg's name. channels, sample_rate: 0 when the configuration does not say."""

    codec: str
    codecs: str
    channels: int = 0
    sample_rate: int = 0


def _pixel_format(chroma: int, depth: int) -> str:
    return _CHROMA[chroma] + (f"{depth}le" if depth > 8 else "")


def avc_picture(kind: str, config: memoryview) -> Picture:
    """Read `avcC` (ISO/IEC 14496-15, 5.3.3.1). kind: avc1 or avc3. Raises CorruptMp4."""
    profile, constraints, level = uint(config, 1, 1), uint(config, 2, 1), uint(config, 3, 1)
    chroma, depth = 1, 8
    if profile in (100, 110, 122, 244, 44):
        # Behind the parameter sets stand the chroma format and the bit depth; some writers leave them out.
        place = 5
        for mask in (0x1F, 0xFF):
            sets = uint(config, place, 1) & mask
            place += 1
            for _ in range(sets):
                place += 2 + uint(config, place, 2)
        if place + 2 <= len(config):
            chroma, depth = config[place] & 3, 8 + (config[place + 1] & 7)
    refusal = None
    if profile not in (66, 77, 88, 100) or chroma != 1 or depth != 8:
        refusal = f"Browsers cannot show this kind of H.264 (profile {profile}, {_pixel_format(chroma, depth)})."
    elif _interlaced(config):
        refusal = "The picture is interlaced, and browsers would show the lines of two moments at once."
    codec = f"{kind}.{profile:02X}{constraints:02X}{level:02X}"
    return Picture(codec, _pixel_format(chroma, depth), (uint(config, 4, 1) & 3) + 1, refusal)


def _interlaced(config: memoryview) -> bool:
    """Tell whether the first parameter set of an `avcC` allows fields. One that cannot be read is for decoders to judge."""
    try:
        size = uint(config, 6, 2) if uint(config, 5, 1) & 0x1F else 0
        return size > 0 and may_be_interlaced(bytes(config[8 : 8 + size]))
    except CorruptMp4:
        return False


def hevc_picture(kind: str, config: memoryview) -> Picture:
    """Read `hvcC` (ISO/IEC 14496-15, 8.3.2.1 and annex E). kind: hvc1 or hev1. Raises CorruptMp4."""
    profile, compatible, level = uint(config, 1, 1), uint(config, 2, 4), uint(config, 12, 1)
    reverse = int(f"{compatible:032b}"[::-1], 2)
    space = ("", "A", "B", "C")[profile >> 6]
    tier = "H" if profile & 0x20 else "L"
    constraints = bytes(config[6:12]).rstrip(b"\0")
    parts = [kind, f"{space}{profile & 0x1F}", f"{reverse:X}", f"{tier}{level}", *(f"{byte:X}" for byte in constraints)]
    return Picture(".".join(parts), _pixel_format(uint(config, 16, 1) & 3, 8 + (uint(config, 17, 1) & 7)))


def av1_picture(config: memoryview) -> Picture:
    """Read `av1C` (AV1 Codec ISO Media File Format Binding, 2.3 and section 5). Raises CorruptMp4."""
    profile, level = uint(config, 1, 1) >> 5, uint(config, 1, 1) & 0x1F
    flags = uint(config, 2, 1)
    depth = 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
    chroma = 0 if flags & 0x10 else {0b11: 1, 0b10: 2, 0b00: 3}.get(flags >> 2 & 3, 1)
    tier = "H" if flags & 0x80 else "M"
    return Picture(f"av01.{profile}.{level:02d}{tier}.{depth:02d}", _pixel_format(chroma, depth))


def vp9_picture(kind: str, config: memoryview) -> Picture:
    """Read `vpcC` (VP Codec ISO Media File Format Binding). kind: vp08 or vp09. Raises CorruptMp4."""
    profile, level, packed = uint(config, 4, 1), uint(config, 5, 1), uint(config, 6, 1)
    depth, chroma = packed >> 4, (1, 1, 2, 3)[min(packed >> 1 & 7, 3)]
    return Picture(f"{kind}.{profile:02d}.{level:02d}.{depth:02d}", _pixel_format(chroma, depth))


def decoder_config(esds: memoryview) -> tuple[int, bytes]:
    """Read the contents of `esds`: object type and decoder specific info. ISO/IEC 14496-1, 7.2.6. Raises CorruptMp4."""
    place, end = 4, len(esds)
    object_type, specific = 0, b""
    while place < end:
        tag = esds[place]
        place, length = _descriptor_length(esds, place + 1)
        if tag == 3:
            flags = uint(esds, place + 2, 1)
            place += 3 + (2 if flags & 0x80 else 0) + (2 if flags & 0x20 else 0)
            if flags & 0x40:
                place += 1 + uint(esds, place, 1)
        elif tag == 4:
            object_type = uint(esds, place, 1)
            place += 13
        else:
            if tag == 5:
                specific = bytes(esds[place : place + length])
            place += length
    return object_type, specific


def _descriptor_length(data: memoryview, place: int) -> tuple[int, int]:
    length = 0
    for _ in range(4):
        byte = uint(data, place, 1)
        place += 1
        length = length << 7 | byte & 0x7F
        if not byte & 0x80:
            break
    return place, length


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), len(data) * 8

    def take(self, count: int) -> int:
        if count > self._left:
            raise CorruptMp4("A sound configuration ends early.")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)


def aac_sound(object_type: int, specific: bytes) -> Sound:
    """Read an `mp4a` configuration; AudioSpecificConfig is ISO/IEC 14496-3, 1.6.2.1. Raises CorruptMp4."""
    if object_type in (0x69, 0x6B):
        return Sound("mp3", f"mp4a.{object_type:02X}")
    if object_type not in (0x40, 0x66, 0x67, 0x68):
        codec = {0xA5: "ac3", 0xA6: "eac3", 0xA9: "dts", 0xDD: "vorbis"}.get(object_type, f"mp4a-{object_type:02x}")
        return Sound(codec, f"mp4a.{object_type:02X}")
    if object_type != 0x40 and not specific:
        return Sound("aac", f"mp4a.{object_type:02X}")
    bits = _Bits(specific)
    kind, rate, channels = _audio_object_type(bits), _aac_rate(bits), _AAC_CHANNELS.get(bits.take(4), 0)
    if kind in (5, 29):
        rate = _aac_rate(bits)
        channels = 2 if kind == 29 else channels
    return Sound("aac", f"mp4a.40.{kind}", channels, rate)


def _audio_object_type(bits: _Bits) -> int:
    kind = bits.take(5)
    return 32 + bits.take(6) if kind == 31 else kind


def _aac_rate(bits: _Bits) -> int:
    index = bits.take(4)
    if index == 15:
        return bits.take(24)
    return _AAC_RATES[index] if index < len(_AAC_RATES) else 0


def opus_sound(config: memoryview) -> Sound:
    """Read `dOps` (Encapsulation of Opus in ISO Base Media File Format, 4.3.2). Raises CorruptMp4."""
    return Sound("opus", "opus", uint(config, 1, 1), 48000)


def flac_sound(config: memoryview) -> Sound:
    """Read `dfLa` with its STREAMINFO block (Encapsulation of FLAC in ISOBMFF, 3.3.2). Raises CorruptMp4."""
    packed = uint(config, 8 + 10, 4)
    return Sound("flac", "flac", (packed >> 9 & 7) + 1, packed >> 12)


def ac3_sound(config: memoryview) -> Sound:
    """Read `dac3` (ETSI TS 102 366, F.4). Raises CorruptMp4."""
    packed = uint(config, 0, 3)
    rate = (48000, 44100, 32000, 0)[packed >> 22]
    return Sound("ac3", "ac-3", _AC3_CHANNELS[packed >> 11 & 7] + (packed >> 10 & 1), rate)


def eac3_sound(config: memoryview) -> Sound:
    """Read `dec3`, first independent substream (ETSI TS 102 366, F.6). Raises CorruptMp4."""
    packed = uint(config, 2, 3)
    rate = (48000, 44100, 32000, 0)[packed >> 22]
    return Sound("eac3", "ec-3", _AC3_CHANNELS[packed >> 9 & 7] + (packed >> 8 & 1), rate)
