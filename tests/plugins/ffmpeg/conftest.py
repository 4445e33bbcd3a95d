"""Sources, their ladders, and what came of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from reelkit.interfaces.media import Ladder, Probe
from reelkit.interfaces.transcoder import Outputs, TranscodeTask
from reelkit.media.ladder import plan
from reelkit.media.mp4.index import build_index
from reelkit.media.mp4.packager import Packager
from reelkit.media.probe import probe
from reelkit_ffmpeg import FfmpegTranscoder


@pytest.fixture
def transcoder() -> FfmpegTranscoder:
    return FfmpegTranscoder()


@pytest.fixture(scope="session")
def packager_of() -> Callable[[Path], Awaitable[Packager]]:
    """Index a file: await packager_of(path) -> Packager."""

    async def index(path: Path) -> Packager:
        content = path.read_bytes()

        async def read_at(start: int, stop: int) -> bytes:
            return content[start:stop]

        return Packager(await build_index(read_at, len(content)))

    return index


@pytest.fixture
def encode(transcoder: FfmpegTranscoder, tmp_path: Path) -> Callable[..., Awaitable[tuple[Probe, Ladder, Outputs]]]:
    """Encode a ladder: await encode(path, key_frames=…) -> (probe, ladder, outputs); with key_frames the top is a copy."""

    async def run(
        path: Path, *, key_frames: list[float] | None = None, images: bool = True, folder: str = "made"
    ) -> tuple[Probe, Ladder, Outputs]:
        found = await probe(path)
        copied = [stream.number for stream in found.audio]
        ladder = plan(found, key_frames, copyable=key_frames is not None, copied_sounds=copied)
        (tmp_path / folder).mkdir()
        task = TranscodeTask(path, found, ladder, tmp_path / folder, poster=images, storyboard=images)
        return found, ladder, await transcoder.run(task, lambda _: None)

    return run
