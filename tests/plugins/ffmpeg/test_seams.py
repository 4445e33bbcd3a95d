"""Renditions that switch with a copied source on the same frame."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import av
import pytest
from reelkit.interfaces.media import Ladder, Probe, Rung
from reelkit.interfaces.transcoder import Outputs, TranscodeTask
from reelkit.media.mp4.packager import Packager
from reelkit.media.probe import probe
from reelkit_ffmpeg import FfmpegTranscoder
from reelkit_ffmpeg.arguments import key_frame_arguments

Encode = Callable[..., Awaitable[tuple[Probe, Ladder, Outputs]]]
Index = Callable[[Path], Awaitable[Packager]]

SOURCES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "30 fps": ({}, ()),
    "NTSC": ({"frame_rate": "30000/1001", "gop": 77}, ()),
    "film": ({"frame_rate": "24000/1001", "gop": 48, "b_frames": 3}, ()),
    "50 fps without B-frames": ({"frame_rate": "50", "gop": 100, "b_frames": 0}, ()),
    "no sound": ({"audio": None}, ()),
    "fragmented": ({"fragmented": True}, ()),
    "uneven": ({"video_options": ("-vf", "select='not(between(mod(n,50),7,19))'", "-fps_mode", "vfr")}, ()),
    "picture begins later": ({}, ("-itsoffset", "0.7")),
    "turned": ({}, ("-display_rotation", "90")),
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, sample: Callable[..., Path], ffmpeg: Callable[..., None], tmp_path: Path) -> Path:
    options, change = SOURCES[request.param]
    made = sample(**{"duration": 9, "height": 480, "width": 854, **options})
    if not change:
        return made
    ffmpeg(*change, "-i", made, "-i", made, "-map", "0:v", "-map", "1:a", "-c", "copy", tmp_path / "changed.mp4")
    return tmp_path / "changed.mp4"


def frame_times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        times = [packet.pts * stream.time_base for packet in container.demux(stream) if packet.pts is not None]
    return sorted(float(time - min(times)) for time in times)


async def test_segments_of_every_rung_begin_where_the_copy_is_cut(source: Path, encode: Encode, packager_of: Index) -> None:
    original = await packager_of(source)
    assert original.can_package is None
    assert original.video_track is not None
    cuts = [float(original.origin) + time for time in original.cut_times[:-1]]
    _, ladder, outputs = await encode(source, key_frames=cuts, images=False)
    assert ladder.copy_video
    assert len(cuts) > 1
    assert [output.rung.name for output in outputs.renditions if output.rung] == ["360p", "240p"]
    for output in outputs.renditions:
        rung = await packager_of(output.path)
        assert rung.video_track is not None
        assert rung.can_package is None
        assert rung.cut_times == pytest.approx(original.cut_times, abs=1e-5)
        assert rung.segments(rung.video_track) == pytest.approx(original.segments(original.video_track), abs=1e-5)
        assert frame_times(output.path) == pytest.approx(frame_times(source), abs=1e-5)


async def test_sound_that_is_encoded_keeps_the_clock_of_a_copied_picture(
    sample: Callable[..., Path], ffmpeg: Callable[..., None], tmp_path: Path, encode: Encode, packager_of: Index
) -> None:
    made = sample(duration=6, height=480, width=854)
    surround = ("-c:v", "copy", "-c:a", "aac", "-ac", "6")
    ffmpeg("-itsoffset", "0.7", "-i", made, "-i", made, "-map", "0:v", "-map", "1:a", *surround, tmp_path / "six.mp4")
    original = await packager_of(tmp_path / "six.mp4")
    cuts = [float(original.origin) + time for time in original.cut_times[:-1]]
    _, ladder, outputs = await encode(tmp_path / "six.mp4", key_frames=cuts, images=False)
    assert (ladder.copy_video, ladder.sounds) == (True, (0,))
    rung = await packager_of(outputs.renditions[0].path)
    sound = await packager_of(outputs.sounds[0])
    assert float(original.origin) == pytest.approx(0.7, abs=0.05)
    assert float(rung.origin) == pytest.approx(float(original.origin), abs=1e-4)
    placed = Packager(sound.index, origin=original.origin, cuts=original.cut_times)
    durations = placed.segments(placed.audio_tracks[0])
    assert durations[:-1] == pytest.approx(original.segments(original.video_track)[:-1], abs=0.03)  # type: ignore[arg-type]
    assert sum(durations) == pytest.approx(6 - 0.7, abs=0.1)


async def test_a_list_of_key_frames_that_is_too_long_for_an_argument_goes_through_a_file(
    sample_h264: Path, tmp_path: Path, packager_of: Index, transcoder: FfmpegTranscoder
) -> None:
    found = await probe(sample_h264)
    # A day of key frames, of which the sample reaches the first few.
    times = tuple(4.0 * number for number in range(21600))
    arguments = key_frame_arguments(times, tmp_path)
    assert arguments[0] == "-/force_key_frames"
    assert all(len(word) < 128 * 1024 for word in arguments)
    ladder = Ladder(rungs=(Rung("240p", 320, 180, 400_000),), copy_video=True, key_frames=times)
    (tmp_path / "made").mkdir()
    task = TranscodeTask(sample_h264, found, ladder, tmp_path / "made", poster=False, storyboard=False)
    outputs = await transcoder.run(task, lambda _: None)
    assert (await packager_of(outputs.renditions[0].path)).cut_times[:-1] == pytest.approx([0, 4, 8])
