"""Drafts: something to watch before anything is encoded whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import av
import psutil
import pytest
from reelkit.interfaces.media import Rung
from reelkit.interfaces.transcoder import DraftSegment, DraftTask, TranscodeFailed
from reelkit.media.ladder import draft_rung
from reelkit.media.probe import probe
from reelkit_ffmpeg import FfmpegTranscoder
from reelkit_ffmpeg.fragments import fragments

SampleMaker = Callable[..., Path]


async def drafted(
    path: Path, folder: Path, transcoder: FfmpegTranscoder, tell: Callable[[float], None] = lambda _: None
) -> list[DraftSegment]:
    found = await probe(path)
    assert found.video is not None
    task = DraftTask(path, found, draft_rung(found.video), folder)
    return [segment async for segment in transcoder.draft(task, tell)]


@pytest.mark.parametrize(
    "options",
    [
        {"container": "webm", "video": "libvpx-vp9", "audio": "libopus", "video_options": ("-deadline", "realtime")},
        {"container": "ts"},
        {"container": "mov", "video": "prores_ks", "pixel_format": "yuv422p10le", "audio": "pcm_s16le"},
        {"gop": 600},
        {"container": "mkv", "audio": None},
    ],
    ids=["VP9", "MPEG-TS", "ProRes", "long GOP", "no sound"],
)
async def test_segments_play_as_one(
    options: dict[str, Any], sample: SampleMaker, tmp_path: Path, transcoder: FfmpegTranscoder
) -> None:
    told: list[float] = []
    made = await drafted(sample(duration=7, width=640, height=360, **options), tmp_path, transcoder, told.append)
    assert [segment.number for segment in made] == [0, 1, 2, 3, 4]
    assert told == pytest.approx([0, 2 / 7, 4 / 7, 6 / 7, 0.99, 1], abs=0.02)
    assert [segment.duration for segment in made] == pytest.approx([0, 2, 2, 2, 1], abs=0.05)
    whole = tmp_path / "whole.mp4"
    whole.write_bytes(b"".join(segment.path.read_bytes() for segment in made))
    with av.open(str(whole)) as container:
        frames = list(container.decode(video=0))
        times = [frame.time or 0.0 for frame in frames]
    assert len(frames) == 210
    assert times == sorted(times)
    assert times[-1] - times[0] == pytest.approx(7 - 1 / 30, abs=0.01)
    sound = (await probe(whole)).audio
    assert [(stream.codec, stream.channels) for stream in sound] == (
        [] if options.get("audio", "") is None else [("aac", 2)]
    )


async def test_each_segment_begins_with_a_key_frame(
    sample: SampleMaker, tmp_path: Path, transcoder: FfmpegTranscoder
) -> None:
    init, *rest = await drafted(sample(duration=5, container="mkv"), tmp_path, transcoder)
    assert len(rest) == 3
    for segment in rest:
        alone = tmp_path / "alone.mp4"
        alone.write_bytes(init.path.read_bytes() + segment.path.read_bytes())
        with av.open(str(alone)) as container:
            assert next(container.decode(video=0)).key_frame


async def test_the_first_segment_does_not_wait_for_the_rest(
    sample: SampleMaker, tmp_path: Path, transcoder: FfmpegTranscoder
) -> None:
    made = sample(duration=120, width=640, height=360, container="mkv", audio=None)
    found = await probe(made)
    task = DraftTask(made, found, Rung("360p", 640, 360, 900_000), tmp_path)
    started = time.monotonic()
    told: list[float] = []
    async with aclosing(cast(Any, transcoder.draft(task, told.append))) as segments:
        async for segment in segments:
            if segment.number == 1:
                break
    # Measured 0.2 s; the whole takes more than ten times as long.
    assert time.monotonic() - started < 5
    assert told and told[-1] < 0.1


async def test_ending_early_ends_ffmpeg(sample: SampleMaker, tmp_path: Path, transcoder: FfmpegTranscoder) -> None:
    made = sample(duration=120, width=640, height=360, container="mkv", audio=None)
    begun = asyncio.Event()

    async def consume() -> None:
        found = await probe(made)
        task = DraftTask(made, found, Rung("360p", 640, 360, 900_000), tmp_path)
        async for _ in transcoder.draft(task, lambda _: None):
            begun.set()

    task = asyncio.create_task(consume())
    await asyncio.wait_for(begun.wait(), 60)
    assert [p for p in psutil.Process().children(recursive=True) if "ffmpeg" in p.name()]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [p for p in psutil.Process().children(recursive=True) if "ffmpeg" in p.name()]


async def test_a_draft_of_nothing_fails_with_a_reason(
    sample_h264: Path, tmp_path: Path, transcoder: FfmpegTranscoder
) -> None:
    found = await probe(sample_h264)
    (tmp_path / "upload").write_bytes(b"Dear diary\n" * 500)
    task = DraftTask(tmp_path / "upload", found, Rung("240p", 320, 180, 400_000), tmp_path)
    with pytest.raises(TranscodeFailed, match="not a video"):
        async for _ in transcoder.draft(task, lambda _: None):
            pass


@pytest.mark.parametrize("come", [b"", b"\0\0", b"\0\0\0\x01mdat\0\0", b"\0\0\1\0mdat and no more"])
async def test_an_encoder_that_stands_still_is_noticed_wherever_it_does(come: bytes) -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(come)
    async with asyncio.timeout(30):
        with pytest.raises(TimeoutError):
            await anext(fragments(stream, 0.05))
