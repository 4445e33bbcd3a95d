"""What ffmpeg makes of sources of every kind."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import psutil
import pytest
from reelkit.interfaces.media import AudioStream, Ladder, Probe, Rung, VideoStream
from reelkit.interfaces.transcoder import Outputs, TranscodeFailed, Transcoder, TranscodeTask
from reelkit.media.ladder import plan
from reelkit.media.probe import probe
from reelkit_ffmpeg import FfmpegTranscoder, Settings

Encode = Callable[..., Awaitable[tuple[Probe, Ladder, Outputs]]]
SampleMaker = Callable[..., Path]


def test_it_is_a_transcoder(transcoder: FfmpegTranscoder) -> None:
    assert isinstance(transcoder, Transcoder)


def decoded(path: Path) -> tuple[int, int, int]:
    """Return how many frames a file has, and their size."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return len(frames), frames[0].width, frames[0].height


@pytest.mark.parametrize(
    "options",
    [
        {"container": "webm", "video": "libvpx-vp9", "audio": "libopus", "video_options": ("-deadline", "realtime")},
        {"container": "ts"},
        {"container": "mkv", "audio": "flac"},
        {"container": "mov", "video": "prores_ks", "pixel_format": "yuv422p10le", "audio": "pcm_s16le"},
        {"container": "avi", "video": "mpeg4", "audio": "libmp3lame"},
        {"video": "libx265", "pixel_format": "yuv420p10le", "audio": None},
    ],
    ids=lambda options: str(options.get("container", "hevc")),
)
async def test_other_formats_become_a_ladder(options: dict[str, Any], sample: SampleMaker, encode: Encode) -> None:
    found, ladder, outputs = await encode(sample(duration=5, width=640, height=360, **options))
    assert [output.rung for output in outputs.renditions] == list(ladder.rungs)
    for output in outputs.renditions:
        assert output.rung is not None
        made = await probe(output.path)
        assert made.video is not None
        assert (made.video.codec, made.video.pixel_format) == ("h264", "yuv420p")
        assert (made.video.width, made.video.height) == (output.rung.width, output.rung.height)
        assert made.duration == pytest.approx(found.duration, abs=0.15)
        assert made.audio == ()
        assert decoded(output.path)[0] == pytest.approx(150, abs=2)
        assert key_frames(output.path) == pytest.approx([0, 2, 4], abs=0.07)
    assert len(outputs.sounds) == len(found.audio)
    for path in outputs.sounds:
        sound = await probe(path)
        assert [(stream.codec, stream.channels) for stream in sound.audio] == [("aac", 2)]
        assert sound.duration == pytest.approx(5, abs=0.15)


def key_frames(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [
            float(packet.pts * packet.time_base)
            for packet in container.demux(video=0)
            if packet.is_keyframe and packet.pts is not None and packet.time_base is not None
        ]


async def test_a_fragment_begins_with_each_key_frame(sample: SampleMaker, encode: Encode) -> None:
    _, _, outputs = await encode(sample(duration=5, container="mkv"))
    content = outputs.renditions[0].path.read_bytes()
    assert len(re.findall(rb"moof\0\0\0\x10mfhd", content)) == 3


async def test_rates_stay_below_the_rungs_highest(sample: SampleMaker, encode: Encode) -> None:
    noisy = ("-vf", "noise=alls=60:allf=t", "-crf", "18")
    _, _, outputs = await encode(sample(duration=6, width=640, height=360, container="mkv", video_options=noisy))
    assert len(outputs.renditions) == 2
    for output in outputs.renditions:
        assert output.rung is not None
        # The buffer of two seconds may be spent once.
        assert output.path.stat().st_size * 8 < output.rung.max_rate * (6 + 2) * 1.1


async def test_high_dynamic_range_becomes_standard(sample: SampleMaker, encode: Encode) -> None:
    tagged = ("-vf", "setparams=color_trc=smpte2084:color_primaries=bt2020:colorspace=bt2020nc")
    made = sample(duration=1, video="libx265", pixel_format="yuv420p10le", audio=None, video_options=tagged)
    found, _, outputs = await encode(made)
    assert found.video is not None
    assert found.video.transfer == "smpte2084"
    with av.open(str(outputs.renditions[0].path)) as container:
        frame = next(container.decode(video=0))
    assert (frame.format.name, frame.color_trc, frame.color_primaries, frame.colorspace) == ("yuv420p", 1, 1, 1)
    # Read as if it were SDR, the grey of a PQ picture would be far darker than this or washed out.
    assert 30 < frame.to_ndarray(format="gray").mean() < 200


async def test_a_turned_picture_is_upright_afterwards(
    sample_h264: Path, ffmpeg: Callable[..., None], tmp_path: Path, encode: Encode
) -> None:
    ffmpeg("-display_rotation", "-90", "-i", sample_h264, "-c", "copy", "-t", "2", tmp_path / "turned.mp4")
    _, _, outputs = await encode(tmp_path / "turned.mp4")
    made = (await probe(outputs.renditions[0].path)).video
    assert made is not None
    assert (made.width, made.height, made.rotation) == (180, 320, 0)
    assert outputs.poster is not None
    assert decoded(outputs.poster)[1:] == (180, 320)


async def test_fast_pictures_become_sixty_a_second(sample: SampleMaker, encode: Encode) -> None:
    _, _, outputs = await encode(sample(duration=2, frame_rate="120", container="mkv"))
    made = (await probe(outputs.renditions[0].path)).video
    assert made is not None
    assert made.frame_rate == Fraction(60)


async def test_uneven_frame_times_are_kept(sample: SampleMaker, encode: Encode) -> None:
    dropped = ("-vf", "select='not(between(mod(n,30),5,19))'", "-fps_mode", "vfr")
    made = sample(duration=4, container="mkv", video_options=dropped)
    _, _, outputs = await encode(made)
    assert decoded(outputs.renditions[0].path)[0] == decoded(made)[0] == 60


async def test_odd_sizes_and_wide_pixels_become_even_and_square(sample: SampleMaker, encode: Encode) -> None:
    odd = ("-vf", "scale=353:241,setsar=2/1")
    made = sample(duration=1, pixel_format="yuv444p", container="mkv", video_options=odd)
    _, _, outputs = await encode(made)
    assert decoded(outputs.renditions[0].path)[1:] == (704, 240)


async def test_sound_alone_becomes_aac(sample: SampleMaker, encode: Encode) -> None:
    _, ladder, outputs = await encode(sample(duration=3, video=None, audio="libmp3lame", container="mp3"))
    assert ladder.rungs == ()
    assert (outputs.renditions, outputs.poster, outputs.storyboard) == ((), None, ())
    assert (await probe(outputs.sounds[0])).duration == pytest.approx(3, abs=0.1)


async def test_names_and_places_of_the_upload_are_not_published(
    sample_h264: Path, ffmpeg: Callable[..., None], tmp_path: Path, encode: Encode
) -> None:
    secret = ("-metadata", "title=canary", "-metadata", "location=canary", "-metadata:s:v", "title=canary")
    ffmpeg("-i", sample_h264, "-t", "1", "-c:v", "copy", "-c:a", "flac", *secret, tmp_path / "tagged.mkv")
    _, _, outputs = await encode(tmp_path / "tagged.mkv")
    for path in (outputs.renditions[0].path, *outputs.sounds, outputs.poster):
        assert path is not None
        assert b"canary" not in path.read_bytes()


async def test_poster_and_storyboard_show_the_whole_video(sample: SampleMaker, encode: Encode) -> None:
    _, _, outputs = await encode(sample(duration=13, container="mkv"))
    assert outputs.poster is not None
    assert decoded(outputs.poster)[1:] == (320, 180)
    *sheets, listing = outputs.storyboard
    assert [sheet.name for sheet in sheets] == ["storyboard-001.jpg"]
    # Thirteen tiles of 160x90: a row of ten and one of three.
    assert decoded(sheets[0])[1:] == (1600, 180)
    text = listing.read_text()
    assert text.startswith("WEBVTT\n")
    assert text.count("-->") == 13
    assert "00:00:12.000 --> 00:00:13.021\nstoryboard-001.jpg#xywh=320,90,160,90" in text


async def test_a_poster_is_not_the_black_of_a_fade(sample: SampleMaker, encode: Encode) -> None:
    black = ("-vf", "fade=in:0:90")
    _, _, outputs = await encode(sample(duration=10, container="mkv", video_options=black))
    assert outputs.poster is not None
    with av.open(str(outputs.poster)) as container:
        assert next(container.decode(video=0)).to_ndarray(format="gray").mean() > 60


async def test_a_copy_without_rungs_only_gets_images(sample_h264: Path, encode: Encode) -> None:
    _, ladder, outputs = await encode(sample_h264, key_frames=[0, 4, 8])
    assert (ladder.rungs, ladder.sounds) == ((), ())
    assert (outputs.renditions, outputs.sounds) == ((), ())
    assert outputs.poster is not None
    assert len(outputs.storyboard) == 2


async def test_progress_rises_to_one(sample: SampleMaker, tmp_path: Path, transcoder: FfmpegTranscoder) -> None:
    made = sample(duration=5, container="mkv")
    found = await probe(made)
    told: list[float] = []
    await transcoder.run(TranscodeTask(made, found, plan(found), tmp_path), told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len([value for value in told if 0 < value < 1]) > 5


def ffmpegs() -> set[int]:
    return {p.pid for p in psutil.Process().children(recursive=True) if "ffmpeg" in p.name()}


async def test_cancelling_kills_ffmpeg(sample: SampleMaker, tmp_path: Path, transcoder: FfmpegTranscoder) -> None:
    made = sample(duration=60, width=640, height=360, container="mkv", audio=None)
    found = await probe(made)
    begun = asyncio.Event()
    task = asyncio.create_task(transcoder.run(TranscodeTask(made, found, plan(found), tmp_path), lambda _: begun.set()))
    await asyncio.wait_for(begun.wait(), 60)
    running = ffmpegs()
    assert len(running) == 1
    assert psutil.Process(next(iter(running))).nice() == min(19, os.nice(0) + 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ffmpegs() == set()
    assert not psutil.pid_exists(next(iter(running)))


def claimed(duration: float = 10.0, *, sound: bool = True) -> Probe:
    """What a liar would have us believe of a file."""
    video = VideoStream("h264", 320, 180, 320, 180, Fraction(30), pixel_format="yuv420p")
    audio = (AudioStream("aac", 2, 48000),) if sound else ()
    return Probe(container="mov", duration=duration, size=1000, video=video, audio=audio)


SMALL = Ladder(rungs=(Rung("240p", 320, 180, 400_000),), copy_video=False, sounds=(0,))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "damaged|not a video"),
        (b"Dear diary\n" * 500, "not a video"),
        (os.urandom(50_000), "not a video"),
    ],
)
async def test_what_is_no_video_fails_with_a_reason(
    content: bytes, reason: str, tmp_path: Path, transcoder: FfmpegTranscoder
) -> None:
    (tmp_path / "upload").write_bytes(content)
    (tmp_path / "made").mkdir()
    with pytest.raises(TranscodeFailed, match=reason):
        await transcoder.run(TranscodeTask(tmp_path / "upload", claimed(), SMALL, tmp_path / "made"), lambda _: None)


async def test_a_file_without_its_end_is_encoded_as_far_as_it_goes(
    sample: SampleMaker, tmp_path: Path, transcoder: FfmpegTranscoder
) -> None:
    content = sample(duration=10, container="ts").read_bytes()
    (tmp_path / "cut.ts").write_bytes(content[: len(content) // 2])
    (tmp_path / "made").mkdir()
    outputs = await transcoder.run(TranscodeTask(tmp_path / "cut.ts", claimed(), SMALL, tmp_path / "made"), lambda _: None)
    assert 3 < (await probe(outputs.renditions[0].path)).duration < 7


async def test_a_file_that_is_longer_than_it_says_is_ended(
    sample: SampleMaker, tmp_path: Path, transcoder: FfmpegTranscoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reelkit_ffmpeg.transcoder.largest", lambda *_: 100_000)
    made = sample(duration=10, container="mkv")
    with pytest.raises(TranscodeFailed, match="longer than it says"):
        await transcoder.run(TranscodeTask(made, claimed(0.1), SMALL, tmp_path), lambda _: None)


@pytest.mark.parametrize("reference", ["ffconcat version 1.0\nfile '{}'\n", "#EXTM3U\n#EXTINF:10,\n{}\n#EXT-X-ENDLIST\n"])
async def test_a_list_of_other_files_is_never_followed(
    reference: str, sample_h264: Path, tmp_path: Path, transcoder: FfmpegTranscoder
) -> None:
    (tmp_path / "canary.mp4").write_bytes(sample_h264.read_bytes())
    (tmp_path / "made").mkdir()
    upload = tmp_path / "upload.mp4"
    for target in ("canary.mp4", str(tmp_path / "canary.mp4")):
        upload.write_text(reference.format(target))
        with pytest.raises(TranscodeFailed):
            await transcoder.run(TranscodeTask(upload, claimed(), SMALL, tmp_path / "made"), lambda _: None)
    assert list((tmp_path / "made").glob("*.jpg")) == []


async def test_an_encode_that_stands_still_is_given_up(sample_h264: Path, tmp_path: Path) -> None:
    # A program that says nothing, for ever.
    silent = tmp_path / "ffmpeg"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o755)
    settings = Settings(path=str(silent), stall_seconds=1.0)
    with pytest.raises(TranscodeFailed, match="stood still"):
        await FfmpegTranscoder(settings).run(TranscodeTask(sample_h264, claimed(), SMALL, tmp_path), lambda _: None)


def test_a_missing_ffmpeg_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"plugins\.ffmpeg\.path.*nowhere"):
        FfmpegTranscoder(Settings(path="/nowhere/ffmpeg"))
