"""Look into one media file and print what it is as JSON: run by path, in a confined process, on bytes of strangers.

    probe_child.py PATH OPTIONS_AS_JSON

Prints {"probe": …} in the shape of reelkit.interfaces.media.Probe without its size, or {"unreadable": "a reason"}.
"""

import json
import math
import sys
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer

_TRANSFERS = {
    1: "bt709",
    4: "gamma22",
    5: "gamma28",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    18: "arib-std-b67",
}
"""ISO/IEC 23091-2 transfer characteristics as ffmpeg names them; 2 is unspecified."""

MAX_PIXELS = 67_108_864


class Unreadable(Exception):
    """The text is for people."""


def main(path: str, options: dict[str, str]) -> dict[str, Any]:
    """Return the JSON object that tells what the file is."""
    try:
        with av.open(f"file:{path}", options=options, metadata_errors="replace") as container:
            return {"probe": describe(container)}
    except Unreadable as error:
        return {"unreadable": str(error)}
    except (av.error.FFmpegError, ValueError, OverflowError) as error:
        return {"unreadable": reason(error)}
    except MemoryError:
        return {"unreadable": "The file asks for more memory than a video needs."}


def reason(error: Exception) -> str:
    """Say in words why libav gave up."""
    # A format that is not on the whitelist, such as a picture, a subtitle, a playlist, is an "argument" that is wrong.
    if isinstance(error, av.error.DecoderNotFoundError | av.error.DemuxerNotFoundError | av.error.ArgumentError):
        return "The file is in a format that this site does not read."
    if isinstance(error, av.error.MemoryError):
        return "The file asks for more memory than a video needs."
    if isinstance(error, av.error.FFmpegError) and not isinstance(error, av.error.InvalidDataError):
        return f"The file is not a video, or it is damaged ({error.strerror})."
    return "The file is not a video, or it is damaged."


def describe(container: InputContainer) -> dict[str, Any]:
    """Collect the first real picture, every sound, the length. Raises Unreadable."""
    covers = av.stream.Disposition.attached_pic | av.stream.Disposition.still_image
    pictures = [s for s in container.streams.video if not s.disposition & covers and s.codec_context is not None]
    sounds = [(n, s) for n, s in enumerate(container.streams.audio) if s.codec_context is not None]
    # Those that players should choose first in front.
    sounds.sort(key=lambda numbered: not numbered[1].disposition & av.stream.Disposition.default)
    if not pictures and not sounds:
        raise Unreadable("The file has neither picture nor sound.")
    duration = length(container)
    if duration <= 0:
        raise Unreadable("The file has no playable length.")
    return {
        "container": container.format.name.split(",")[0],
        "duration": duration,
        "video": picture(container, pictures[0]) if pictures else None,
        "audio": [sound(stream) | {"number": number} for number, stream in sounds],
    }


def length(container: InputContainer) -> float:
    """Return the length in seconds: as the container says, else as its packets say, as a recording browser leaves it out."""
    if container.duration:
        return container.duration / 1_000_000
    stated = [float(s.duration * s.time_base) for s in container.streams if s.duration and s.time_base]
    if stated:
        return max(stated)
    first, last = math.inf, 0.0
    for packet in container.demux():
        if packet.pts is not None and packet.time_base is not None:
            at = float(packet.pts * packet.time_base)
            first = min(first, at)
            last = max(last, at + float((packet.duration or 0) * packet.time_base))
    return last - first if math.isfinite(first) else 0.0


def picture(container: InputContainer, stream: av.VideoStream) -> dict[str, Any]:
    """Describe the video stream; one frame is decoded, because only it knows its rotation. Raises Unreadable."""
    context = stream.codec_context
    frame = first_frame(container, stream)
    width, height = (frame.width, frame.height) if frame else (context.width, context.height)
    if not width or not height:
        raise Unreadable("The video stream has no picture size.")
    if width * height > MAX_PIXELS:
        raise Unreadable(f"The picture is {width}x{height}; this site takes at most {MAX_PIXELS} pixels, such as 8192x8192.")
    rotation = (-frame.rotation % 360 if frame else 0) // 90 * 90
    aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio or Fraction(1)
    shown = (round(width * aspect), height) if 0 < aspect < 16 else (width, height)
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate or Fraction(0)
    transfer = int(frame.color_trc if frame else context.color_trc or 2)
    return {
        "codec": context.codec.canonical_name,
        "width": shown[1] if rotation % 180 else shown[0],
        "height": shown[0] if rotation % 180 else shown[1],
        "coded_width": width,
        "coded_height": height,
        "frame_rate": [rate.numerator, rate.denominator],
        "bit_rate": context.bit_rate or (container.bit_rate if not container.streams.audio else 0) or 0,
        "rotation": rotation,
        "pixel_format": (frame.format.name if frame else context.pix_fmt) or "",
        "transfer": _TRANSFERS.get(transfer, ""),
    }


def first_frame(container: InputContainer, stream: av.VideoStream) -> av.VideoFrame | None:
    """Decode one frame; None when the first 500 packets hold none."""
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # The decoder does not get the container's options.
    stream.codec_context.thread_count = 1
    for number, packet in enumerate(container.demux(stream)):
        try:
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    return frame
        except av.error.InvalidDataError:
            pass  # A stream that begins in the middle of a group of pictures; the next ones decode.
        if number > 500:
            break
    return None


def sound(stream: av.AudioStream) -> dict[str, Any]:
    """Describe an audio stream."""
    context = stream.codec_context
    return {
        "codec": context.codec.canonical_name,
        "channels": context.channels,
        "sample_rate": context.sample_rate,
        "language": stream.language or "und",
        "bit_rate": context.bit_rate or 0,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]))))
