"""What an uploaded file is: asked of libav in a confined child process, never in this one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from reelkit.interfaces.media import AudioStream, Probe, VideoStream
from reelkit.media.sandbox import INPUT_OPTIONS, Confinement, confined, tail

if TYPE_CHECKING:
    from reelkit.media.mp4.index import MediaIndex

__all__ = ["Unreadable", "ask", "libraries", "probe", "probe_of_index"]

_CHILD = Path(__file__).with_name("probe_child.py")
LARGEST = 16 << 20
"""Bytes of an answer that a child may hand over."""

log = logging.getLogger("reelkit.media")


class Unreadable(Exception):
    """The file is no media that this site reads; the text is for people and says why."""


class _Answer(msgspec.Struct, frozen=True):
    probe: dict[str, Any] | None = None
    unreadable: str | None = None


async def probe(path: Path, timeout: float = 30.0) -> Probe:
    """Tell what a file is. timeout: seconds of wall clock. Raises Unreadable; FileNotFoundError when there is no file."""
    path = await asyncio.to_thread(path.resolve)
    size = (await asyncio.to_thread(path.stat)).st_size
    if size == 0:
        raise Unreadable("The file is empty.")
    answer, complaint = await ask(_CHILD, path, msgspec.json.encode(INPUT_OPTIONS).decode(), timeout)
    return _understand(answer, complaint, size)


async def ask(child: Path, path: Path, question: str, timeout: float) -> tuple[bytes, str]:
    """Have a confined child look at a file; return what it answers, 16 MiB of it at most, and the end of its complaints.

    child: its program; path: absolute, all that it may read beside the libraries. One that takes too long is ended and
    has answered what it had, in the worst case nothing.
    """
    program: list[str | Path] = [sys.executable, "-I", child, path, question]
    confinement = Confinement(
        cpu_seconds=max(1, round(timeout)),
        memory_bytes=2 * 1024**3,
        file_bytes=0,
        open_files=64,
        read=(path, *libraries()),
    )
    answer, complaint = b"", ""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout), confined(program, confinement) as asked, asyncio.TaskGroup() as group:
            assert asked.stdout is not None and asked.stderr is not None
            complaining = group.create_task(tail(asked.stderr))
            answer = await asked.stdout.read(LARGEST)
            while len(answer) < LARGEST and (more := await asked.stdout.read(LARGEST)):
                answer += more
            complaint = await complaining
    return answer, complaint


def probe_of_index(index: MediaIndex) -> Probe:
    """Tell what an MP4 or MOV is from its index alone, so that no child process is needed."""
    pictures = sorted((t for t in index.tracks if t.kind == "video"), key=lambda track: (not track.enabled, track.number))
    sounds = sorted((t for t in index.tracks if t.kind == "audio"), key=lambda track: (not track.enabled, track.number))
    video = None
    if pictures:
        first = pictures[0]
        video = VideoStream(
            codec=first.codec,
            width=first.width,
            height=first.height,
            coded_width=first.coded_width,
            coded_height=first.coded_height,
            frame_rate=first.frame_rate,
            bit_rate=first.bit_rate,
            rotation=first.rotation,
            pixel_format=first.pixel_format,
            transfer=first.transfer,
        )
    audio = tuple(AudioStream(t.codec, t.channels, t.sample_rate, t.language, t.bit_rate, t.number) for t in sounds)
    return Probe(container="mov", duration=index.duration, size=index.size, video=video, audio=audio)


def _understand(answer: bytes, complaint: str, size: int) -> Probe:
    try:
        said = msgspec.json.decode(answer, type=_Answer)
    except msgspec.DecodeError:
        if "MemoryError" in complaint:
            raise Unreadable("The file asks for more memory than a video needs.") from None
        if "Traceback" in complaint:
            # For the operator alone: it may name folders of this machine.
            log.error("the program that examines files failed: %s", complaint.strip().splitlines()[-1])
            raise Unreadable("The file could not be examined; it may be damaged.") from None
        raise Unreadable("The file could not be examined in reasonable time; it may be damaged.") from None
    if said.probe is None:
        raise Unreadable(said.unreadable or "The file could not be examined.")
    return msgspec.convert(said.probe | {"size": size}, Probe, dec_hook=_fraction)


def _fraction(kind: type, value: Any) -> Any:
    if kind is Fraction:
        return Fraction(*value)
    raise NotImplementedError(kind)


def libraries() -> tuple[Path, ...]:
    """Return the folders that the child's Python imports from."""
    found = [Path(sys.prefix), Path(sys.base_prefix)]
    for name in ("av", "reelkit"):
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            found.append(Path(spec.origin).parent.parent)
    return tuple(dict.fromkeys(found))
