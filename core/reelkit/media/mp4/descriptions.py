"""Sample descriptions: the entries of `stsd`, and how they are written into an init segment.

ISO/IEC 14496-12:2022, 8.5.2, 12.1.3 and 12.2.3; QuickTime File Format, "Sample Description Atoms".
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import msgspec

from reelkit.media.mp4 import codecs
from reelkit.media.mp4.boxes import Box, box, full_box, name_of, parse_header, uint
from reelkit.media.mp4.errors import CorruptMp4

__all__ = ["Description", "read_descriptions"]

_VISUAL, _AUDIO = 78, 28
_MAX_ENTRIES = 256

_VIDEO_CODECS = {
    b"avc1": "h264", b"avc3": "h264", b"hvc1": "hevc", b"hev1": "hevc", b"dvh1": "hevc", b"dvhe": "hevc",
    b"dva1": "h264", b"dvav": "h264", b"av01": "av1", b"vp09": "vp9", b"vp08": "vp8", b"mp4v": "mpeg4", b"jpeg": "mjpeg",
    b"mjpa": "mjpeg", b"mjpb": "mjpegb", b"png ": "png", b"apch": "prores", b"apcn": "prores", b"apcs": "prores",
    b"apco": "prores", b"ap4h": "prores", b"ap4x": "prores", b"AVdn": "dnxhd", b"s263": "h263", b"h263": "h263",
    b"SVQ3": "svq3", b"rle ": "qtrle", b"raw ": "rawvideo", b"2vuy": "rawvideo", b"v210": "v210", b"CFHD": "cfhd",
}  # fmt: skip
_AUDIO_CODECS = {
    b"mp4a": "aac", b"Opus": "opus", b"fLaC": "flac", b"ac-3": "ac3", b"ec-3": "eac3", b".mp3": "mp3",
    b"ms\0\x55": "mp3", b"alac": "alac", b"sowt": "pcm_s16le", b"twos": "pcm_s16be", b"in24": "pcm_s24be",
    b"in32": "pcm_s32be", b"fl32": "pcm_f32be", b"fl64": "pcm_f64be", b"lpcm": "pcm_s16le", b"ipcm": "pcm_s16le",
    b"raw ": "pcm_u8", b"ulaw": "pcm_mulaw", b"alaw": "pcm_alaw", b"samr": "amr_nb", b"sawb": "amr_wb",
    b"ima4": "adpcm_ima_qt", b"dtsc": "dts", b"ac-4": "ac4", b"QDM2": "qdm2", b"mhm1": "mpegh_3d_audio",
}  # fmt: skip
_NAMES = {
    "vp9": "VP9", "vp8": "VP8", "mpeg4": "MPEG-4 part 2", "mjpeg": "Motion JPEG", "prores": "ProRes", "dnxhd": "DNxHD",
    "h263": "H.263", "alac": "Apple Lossless", "dts": "DTS", "vorbis": "Vorbis", "amr_nb": "AMR", "amr_wb": "AMR",
    "png": "PNG", "rawvideo": "uncompressed video", "mp3": "MP3",
}  # fmt: skip
_PRIMARIES_TRANSFER = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 11: "iec61966-2-4",
    13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip


class Description(msgspec.Struct, frozen=True):
    """One sample entry. entry: the whole box as an init segment carries it; empty when nothing can be packaged of it.

    width, height: coded pixels. aspect: width and height of one pixel. refusal: why it cannot be packaged, for people.
    """

    codec: str
    codecs: str
    entry: bytes = b""
    width: int = 0
    height: int = 0
    aspect: tuple[int, int] = (1, 1)
    channels: int = 0
    sample_rate: int = 0
    pixel_format: str = ""
    nal_length: int = 0
    transfer: str = ""
    refusal: str | None = None


def read_descriptions(stsd: memoryview, handler: bytes) -> list[Description]:
    """Read all entries of the contents of `stsd`. handler: vide or soun. Raises CorruptMp4."""
    count = uint(stsd, 4, 4)
    if count > _MAX_ENTRIES:
        raise CorruptMp4(f"A track claims {count} sample descriptions.")
    read = _video if handler == b"vide" else _audio
    return [read(entry.kind, stsd[entry.start : entry.stop]) for entry in _lenient(stsd, 8)][:count]


def _lenient(data: memoryview, start: int) -> list[Box]:
    """List child boxes; QuickTime entries may end in a terminator or in padding, which is left out."""
    found = []
    while len(data) - start >= 8:
        try:
            child = parse_header(data[start : start + 16], start, len(data))
        except CorruptMp4:
            break
        if child.stop > len(data) or child.kind == b"\0\0\0\0":
            break
        found.append(child)
        start = child.stop
    return found


def _parts(entry: memoryview, boxes: list[Box]) -> dict[bytes, memoryview]:
    found: dict[bytes, memoryview] = {}
    for child in boxes:
        found.setdefault(child.kind, entry[child.body : child.stop])
    return found


def _readable(codec: str, kind: bytes) -> str:
    if kind in (b"dvh1", b"dvhe", b"dva1", b"dvav", b"dav1"):
        return "Dolby Vision"
    if kind[:2] == b"dv":
        return "DV"
    if kind in (b".mp3", b"ms\0\x55"):
        return "MP3 in QuickTime's own way"
    return _NAMES.get(codec, codec if codec != "unknown" else f"an unknown codec ({name_of(kind)})")


def _video(kind: bytes, entry: memoryview) -> Description:
    if len(entry) < 8 + _VISUAL:
        raise CorruptMp4("A video sample description is too short.")
    width, height = uint(entry, 32, 2), uint(entry, 34, 2)
    boxes = _lenient(entry, 8 + _VISUAL)
    parts = _parts(entry, boxes)
    codec = _VIDEO_CODECS.get(kind, "unknown")
    aspect = (1, 1)
    if b"pasp" in parts:
        spacing = (uint(parts[b"pasp"], 0, 4), uint(parts[b"pasp"], 4, 4))
        aspect = spacing if 0 < spacing[0] < 1 << 16 and 0 < spacing[1] < 1 << 16 else aspect
    transfer = ""
    if b"colr" in parts and bytes(parts[b"colr"][:4]) in (b"nclx", b"nclc"):
        transfer = _PRIMARIES_TRANSFER.get(uint(parts[b"colr"], 6, 2), "")
    facts = Description(codec, name_of(kind), width=width, height=height, aspect=aspect, transfer=transfer)
    if kind == b"encv":
        return msgspec.structs.replace(facts, refusal="The video is encrypted.")
    picture, refusal = _picture(kind, parts)
    if picture is None:
        reason = refusal or f"The picture is encoded as {_readable(codec, kind)}; H.264, HEVC and AV1 can be packaged."
        return msgspec.structs.replace(facts, refusal=reason)
    return msgspec.structs.replace(
        facts,
        codecs=picture.codecs,
        pixel_format=picture.pixel_format,
        nal_length=picture.nal_length,
        refusal=refusal or picture.refusal,
        entry=box(kind, bytes(entry[8 : 8 + _VISUAL]), *(_visual_child(entry, child) for child in boxes)),
    )


def _picture(kind: bytes, parts: dict[bytes, memoryview]) -> tuple[codecs.Picture | None, str | None]:
    """Return the codec configuration of a video entry, or why there is none."""
    name = kind.decode("ascii", "replace")
    readers: dict[bytes, tuple[bytes, Callable[[memoryview], codecs.Picture]]] = {
        b"avc1": (b"avcC", lambda config: codecs.avc_picture(name, config)),
        b"avc3": (b"avcC", lambda config: codecs.avc_picture(name, config)),
        b"hvc1": (b"hvcC", lambda config: codecs.hevc_picture(name, config)),
        b"hev1": (b"hvcC", lambda config: codecs.hevc_picture(name, config)),
        b"av01": (b"av1C", codecs.av1_picture),
        b"vp09": (b"vpcC", lambda config: codecs.vp9_picture(name, config)),
        b"vp08": (b"vpcC", lambda config: codecs.vp9_picture(name, config)),
    }
    if kind not in readers:
        return None, None
    wanted, read = readers[kind]
    if wanted not in parts:
        return None, f"The decoder configuration ({name_of(wanted)}) of the picture is missing."
    try:
        picture = read(parts[wanted])
    except CorruptMp4:
        return None, f"The decoder configuration ({name_of(wanted)}) of the picture is damaged."
    if kind in (b"vp08", b"vp09"):
        codec = _VIDEO_CODECS[kind]
        return picture, f"The picture is encoded as {_NAMES[codec]}; H.264, HEVC and AV1 can be packaged."
    return picture, None


def _visual_child(entry: memoryview, child: Box) -> bytes:
    """Copy a box of a video entry; QuickTime's `nclc` colours become `nclx`, which browsers read."""
    contents = entry[child.body : child.stop]
    if child.kind == b"colr" and bytes(contents[:4]) == b"nclc" and len(contents) >= 10:
        return box(b"colr", b"nclx", bytes(contents[4:10]), b"\0")
    return bytes(entry[child.start : child.stop])


def _audio(kind: bytes, entry: memoryview) -> Description:
    if len(entry) < 8 + _AUDIO:
        raise CorruptMp4("An audio sample description is too short.")
    version = uint(entry, 16, 2)
    channels, rate = uint(entry, 24, 2), uint(entry, 32, 4) >> 16
    codec = _AUDIO_CODECS.get(kind, "unknown")
    if version == 2 and len(entry) >= 8 + 64:
        (precise,) = struct.unpack_from(">d", entry, 40)
        rate = int(precise) if 0 < precise < 1 << 24 else rate
        channels = min(uint(entry, 48, 4), 1 << 16)
    boxes, extended = _audio_boxes(entry, version)
    parts = _parts(entry, boxes)
    wave = parts.get(b"wave")
    if wave is not None:
        parts = {**_parts(wave, _lenient(wave, 0)), **parts}
    facts = Description(codec, name_of(kind), channels=channels, sample_rate=rate)
    if kind == b"enca":
        return msgspec.structs.replace(facts, refusal="The sound is encrypted.")
    sound, refusal = _sound(kind, parts)
    if sound is None or sound.codec not in ("aac", "mp3", "opus", "ac3", "eac3", "flac"):
        codec = codec if sound is None else sound.codec
        reason = (
            refusal or f"The sound is encoded as {_readable(codec, kind)}; AAC, MP3, Opus, AC-3 and FLAC can be packaged."
        )
        return msgspec.structs.replace(facts, codec=codec, refusal=reason)
    if extended or wave is not None:
        # Browsers read the ISO layout only: 28 bytes, then boxes; the configuration moves out of `wave`.
        esds = full_box(b"esds", 0, 0, bytes(parts[b"esds"][4:])) if b"esds" in parts else b""
        kept = [bytes(entry[child.start : child.stop]) for child in boxes if child.kind not in (b"wave", b"esds", b"chan")]
        shape = struct.pack(">HHHHI", min(sound.channels or channels, 2), 16, 0, 0, min(rate, 0xFFFF) << 16)
        written = box(kind, bytes(entry[8:16]), bytes(8), shape, esds, *kept)
    else:
        written = box(kind, bytes(entry[8 : 8 + _AUDIO]), *(bytes(entry[child.start : child.stop]) for child in boxes))
    return msgspec.structs.replace(
        facts,
        codec=sound.codec,
        codecs=sound.codecs,
        channels=sound.channels or channels,
        sample_rate=sound.sample_rate or rate,
        entry=written,
    )


def _audio_boxes(entry: memoryview, version: int) -> tuple[list[Box], bool]:
    """List the boxes of an audio entry and tell whether fields of QuickTime's version 1 or 2 stand before them.

    The version alone is no proof: in an ISO `stsd` of version 1 it means something else, and no fields follow.
    """
    start = 8 + _AUDIO
    plain = _lenient(entry, start)
    extra = {1: 16, 2: 36}.get(version, 0)
    if extra and len(entry) > start + extra:
        extended = _lenient(entry, start + extra)
        if sum(child.stop - child.start for child in extended) > sum(child.stop - child.start for child in plain):
            return extended, True
    return plain, False


def _sound(kind: bytes, parts: dict[bytes, memoryview]) -> tuple[codecs.Sound | None, str | None]:
    """Return the codec configuration of an audio entry, or why there is none."""
    readers: dict[bytes, tuple[bytes, Callable[[memoryview], codecs.Sound]]] = {
        b"mp4a": (b"esds", lambda config: codecs.aac_sound(*codecs.decoder_config(config))),
        b"Opus": (b"dOps", codecs.opus_sound),
        b"fLaC": (b"dfLa", codecs.flac_sound),
        b"ac-3": (b"dac3", codecs.ac3_sound),
        b"ec-3": (b"dec3", codecs.eac3_sound),
    }
    if kind not in readers:
        return None, None
    wanted, read = readers[kind]
    if wanted not in parts:
        return None, f"The decoder configuration ({name_of(wanted)}) of the sound is missing."
    try:
        return read(parts[wanted]), None
    except CorruptMp4:
        return None, f"The decoder configuration ({name_of(wanted)}) of the sound is damaged."
