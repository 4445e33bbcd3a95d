"""Decode one picture, or one frame of a video, and print it as JPEG: run by path, confined, on bytes of strangers.

    image_child.py PATH QUESTION_AS_JSON

Prints `J` and a JPEG, or `E` and a reason for people.
"""

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.video.reformatter import ColorRange, Interpolation

MAX_PIXELS = 40_000_000
SIDE = 1920
DECODERS = ((b"\xff\xd8\xff", "mjpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"RIFF", "webp"))
"""Of the formats that are taken: how their files begin, and what reads them."""
FRAME_PACKETS = 20_000


class Unreadable(Exception):
    """The text is for people."""


def main(path: str, question: dict[str, Any]) -> bytes:
    """Return what is printed."""
    try:
        if question["what"] == "picture":
            return b"J" + jpeg(decode(Path(path).read_bytes()), 0)
        return b"J" + take(path, question["seconds"], question["frames"], question["options"])
    except Unreadable as error:
        return b"E" + str(error).encode()
    except (av.error.FFmpegError, ValueError, OverflowError):
        return b"E" + b"The picture is damaged."
    except MemoryError:
        return b"E" + b"The picture asks for more memory than a picture needs."


def decode(data: bytes) -> av.VideoFrame:
    """Decode a still picture, by what the file is and not by what it is called. Raises Unreadable."""
    name = next((decoder for head, decoder in DECODERS if data.startswith(head)), None)
    if name is None or (name == "webp" and data[8:12] != b"WEBP"):
        raise Unreadable("The file is no JPEG, PNG or WebP picture.")
    context: Any = av.CodecContext.create(name, "r")
    context.options = {"max_pixels": str(MAX_PIXELS)}
    context.thread_count = 1
    for packet in (av.Packet(data), None):
        for frame in context.decode(packet):
            if isinstance(frame, av.VideoFrame):
                return frame
    raise Unreadable("The picture is damaged.")


def take(path: str, seconds: float, frames: int, options: dict[str, str]) -> bytes:
    """Return the frame that is shown at a time as JPEG; the first one when the video is not so long. Raises Unreadable."""
    with av.open(f"file:{path}", options=options, metadata_errors="replace") as container:
        covers = av.stream.Disposition.attached_pic | av.stream.Disposition.still_image
        stream = next((s for s in container.streams.video if not s.disposition & covers), None)
        if stream is None:
            raise Unreadable("The video has no picture.")
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        stream.codec_context.thread_count = 1
        rate = stream.average_rate or Fraction(25)
        origin = stream.start_time or 0
        at = origin + round((seconds + float(frames / rate)) / (stream.time_base or Fraction(1)))
        found = seek(container, stream, at) if at > origin else None
        if found is None:
            found = seek(container, stream, origin, first=True)
        if found is None:
            raise Unreadable("The video has no frame that can be decoded.")
        aspect = stream.sample_aspect_ratio or Fraction(1)
        return jpeg(found, -found.rotation % 360, aspect if 0 < aspect < 16 else Fraction(1))


def seek(
    container: av.container.InputContainer, stream: av.VideoStream, at: int, *, first: bool = False
) -> av.VideoFrame | None:
    """Return the last frame that begins at or before a time, in units of the stream; None when that is beyond the end."""
    container.seek(at, stream=stream, backward=True, any_frame=False)
    shown: av.VideoFrame | None = None
    for number, packet in enumerate(container.demux(stream)):
        try:
            decoded = packet.decode()
        except av.error.InvalidDataError:
            continue
        for frame in decoded:
            if not isinstance(frame, av.VideoFrame):
                continue
            if first:
                return frame
            if frame.pts is not None and frame.pts > at:
                return shown or frame
            shown = frame
        if number > FRAME_PACKETS:
            break
    # The last frame lasts until the stream ends.
    over = shown is None or shown.pts is None or at >= shown.pts + max(shown.duration or 0, 1)
    return None if over else shown


def jpeg(frame: av.VideoFrame, rotation: int, aspect: Fraction = Fraction(1)) -> bytes:
    """Encode a frame. rotation: clockwise degrees to turn it by; aspect: width of a pixel."""
    width, height = round(frame.width * aspect), frame.height
    scale = min(1.0, SIDE / max(width, height))
    size = max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
    small = frame.reformat(*size, format="rgb24", interpolation=Interpolation.AREA)
    if rotation:
        turned = small.to_ndarray()
        for _ in range(rotation // 90):
            turned = turned[::-1].swapaxes(0, 1)
        small = av.VideoFrame.from_ndarray(turned.copy(), format="rgb24")
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height = small.width, small.height
    context.pix_fmt = "yuvj420p"
    context.time_base = Fraction(1, 25)
    context.options = {"qmin": "2", "qmax": "4"}
    last = small.reformat(format="yuvj420p", dst_color_range=ColorRange.JPEG)
    last.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(last), *context.encode(None)])


if __name__ == "__main__":
    sys.stdout.buffer.write(main(sys.argv[1], json.loads(sys.argv[2])))
