"""What a file is, whoever sent it."""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import psutil
import pytest
from reelkit.media.probe import Unreadable, _understand, probe

SampleMaker = Callable[..., Path]


def ffmpeg(*arguments: str | Path) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


async def test_an_ordinary_video_is_described(sample_h264: Path) -> None:
    found = await probe(sample_h264)
    assert found.container == "mov"
    assert found.duration == pytest.approx(10, abs=0.1)
    assert found.size == sample_h264.stat().st_size
    assert found.video is not None
    assert (found.video.codec, found.video.width, found.video.height) == ("h264", 320, 180)
    assert (found.video.frame_rate, found.video.rotation, found.video.pixel_format) == (Fraction(30), 0, "yuv420p")
    assert [(a.codec, a.channels, a.sample_rate) for a in found.audio] == [("aac", 2, 48000)]


async def test_a_rotated_video_is_described_as_it_is_shown(sample_h264: Path, tmp_path: Path) -> None:
    ffmpeg("-display_rotation", "-90", "-i", sample_h264, "-c", "copy", tmp_path / "turned.mp4")
    found = (await probe(tmp_path / "turned.mp4")).video
    assert found is not None
    assert (found.width, found.height, found.coded_width, found.coded_height) == (180, 320, 320, 180)
    assert found.rotation == 90


async def test_pixels_that_are_not_square_are_described_as_they_are_shown(sample: SampleMaker) -> None:
    found = (await probe(sample(duration=1, width=720, height=576, video_options=("-vf", "setsar=16/11")))).video
    assert found is not None
    assert (found.width, found.height, found.coded_width) == (1047, 576, 720)


@pytest.mark.parametrize(
    ("options", "container", "video", "audio"),
    [
        ({"container": "webm", "video": "libvpx-vp9", "audio": "libopus"}, "matroska", "vp9", "opus"),
        ({"container": "ts"}, "mpegts", "h264", "aac"),
        ({"container": "mkv"}, "matroska", "h264", "aac"),
        ({"container": "mov", "video": "prores_ks", "pixel_format": "yuv422p10le"}, "mov", "prores", "aac"),
        ({"container": "avi", "video": "mpeg4", "audio": "libmp3lame"}, "avi", "mpeg4", "mp3"),
        ({"container": "flv"}, "flv", "h264", "aac"),
    ],
)
async def test_other_formats_are_described(
    sample: SampleMaker,
    options: dict[str, str],
    container: str,
    video: str,
    audio: str,
) -> None:
    found = await probe(sample(duration=1, **options))
    assert found.container == container
    assert found.video is not None
    assert (found.video.codec, found.video.width) == (video, 320)
    assert [stream.codec for stream in found.audio] == [audio]
    assert found.duration == pytest.approx(1, abs=0.2)


async def test_high_dynamic_range_is_told(sample: SampleMaker) -> None:
    options = ("-vf", "setparams=color_trc=smpte2084:color_primaries=bt2020:colorspace=bt2020nc")
    found = (await probe(sample(duration=1, pixel_format="yuv420p10le", video_options=options))).video
    assert found is not None
    assert (found.transfer, found.pixel_format) == ("smpte2084", "yuv420p10le")


async def test_cover_art_is_no_video(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "color=s=64x64:d=1", "-frames:v", "1", tmp_path / "cover.jpg")
    art = ("-disposition:v", "attached_pic", "-c:v", "copy", "-c:a", "aac", "-map", "0", "-map", "1")
    ffmpeg("-f", "lavfi", "-i", "sine=d=2", "-i", tmp_path / "cover.jpg", *art, tmp_path / "song.m4a")
    found = await probe(tmp_path / "song.m4a")
    assert found.video is None
    assert len(found.audio) == 1


async def test_a_recording_without_a_length_is_measured(sample: SampleMaker, tmp_path: Path) -> None:
    made = sample(duration=3, container="mkv")
    with (tmp_path / "live.webm").open("wb") as out:
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-v",
            "error",
            "-i",
            made,
            "-c",
            "copy",
            "-f",
            "matroska",
            "-live",
            "1",
            "-",
        ]
        subprocess.run(command, stdout=out, check=True)
    assert (await probe(tmp_path / "live.webm")).duration == pytest.approx(3, abs=0.2)


def png(width: int, height: int) -> bytes:
    """A one-colour PNG of that size: small as a file, large in memory."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + width * 4)) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    framed = (struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"Dear diary,\n" * 100, r"^The file is not a video, or it is damaged\.$"),
        (png(16, 16), r"^The file is in a format that this site does not read\.$"),
        (bytes(100_000), "not a video"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\xff" * 4000, "not a video"),
    ],
)
async def test_what_is_no_video_is_refused_with_a_reason(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "file.mp4").write_bytes(content)
    with pytest.raises(Unreadable, match=words):
        await probe(tmp_path / "file.mp4")


async def test_a_file_that_loses_its_index_is_refused(sample_h264: Path, tmp_path: Path) -> None:
    content = sample_h264.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(Unreadable, match="damaged"):
        await probe(tmp_path / "cut.mp4")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port of this machine on which nobody may ever knock."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{}\n#EXT-X-ENDLIST\n"
MPD = """<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S"
 profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" minBufferTime="PT1S"><Period><AdaptationSet mimeType="video/mp4">
<Representation id="1" bandwidth="1"><BaseURL>{}</BaseURL><SegmentBase/></Representation></AdaptationSet></Period></MPD>"""
HOSTILE = {
    "ffconcat": "ffconcat version 1.0\nfile '{}'\n",
    "playlist": PLAYLIST,
    "playlist of a file": PLAYLIST.replace("{}", "file:{}"),
    "manifest": MPD,
    "subtitle": "[Script Info]\nScriptType: v4.00+\n[Events]\nDialogue: 0,0:00:00.00,0:00:05.00,,,,,,,{}\n",
    "vapoursynth": "LoadPlugin('{}')\n",
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_list_of_other_files_is_never_followed(
    kind: str,
    sample_h264: Path,
    tmp_path: Path,
    listener: socket.socket,
) -> None:
    (tmp_path / "canary.mp4").write_bytes(sample_h264.read_bytes())
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/canary.mp4"
    for number, target in enumerate([str(tmp_path / "canary.mp4"), "canary.mp4", address]):
        for suffix in (".mp4", ".m3u8", ".txt"):
            (tmp_path / f"upload-{number}{suffix}").write_text(HOSTILE[kind].format(target))
    uploads = sorted(tmp_path.glob("upload-*"))
    found = await asyncio.gather(*map(probe, uploads), return_exceptions=True)
    assert len(found) == 9
    assert [answer for answer in found if not isinstance(answer, Unreadable)] == []
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_the_hostile_files_do_bite_without_the_whitelists(sample_h264: Path, tmp_path: Path) -> None:
    (tmp_path / "canary.mp4").write_bytes(sample_h264.read_bytes())
    (tmp_path / "upload.mp4").write_text(HOSTILE["ffconcat"].format("canary.mp4"))
    with av.open(str(tmp_path / "upload.mp4")) as container:
        assert container.streams.video[0].codec_context.width == 320


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_picture_bomb_is_refused_in_little_memory(tmp_path: Path, wrapped: bool) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png(15000, 15000))
    upload = tmp_path / "bomb.mov"
    if wrapped:
        ffmpeg("-i", bomb, "-c", "copy", upload)
    else:
        bomb.rename(upload)
    peak = 0

    async def watch() -> None:
        nonlocal peak
        while True:
            for child in psutil.Process().children(recursive=True):
                try:
                    # Between fork and exec a child has the memory of the tests themselves.
                    if any("probe_child" in word for word in child.cmdline()):
                        peak = max(peak, child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    with pytest.raises(Unreadable):
        await probe(upload)
    watching.cancel()
    assert 0 < peak < 300 << 20


async def test_a_file_that_takes_for_ever_is_given_up(sample_h264: Path, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="reasonable time"):
        await probe(sample_h264, timeout=0.01)


async def test_no_child_stays_behind(sample_h264: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    task = asyncio.create_task(probe(sample_h264))
    while {child.pid for child in psutil.Process().children(recursive=True)} <= before:
        assert not task.done()
        await asyncio.sleep(0.002)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_what_the_child_stumbled_over_is_for_the_operator_alone(caplog: pytest.LogCaptureFixture) -> None:
    complaint = "Traceback (most recent call last):\n  …\nPermissionError: /srv/video/site.toml"
    with pytest.raises(Unreadable) as refused:
        _understand(b"", complaint, 1)
    assert "/srv" not in str(refused.value)
    assert "/srv/video/site.toml" in caplog.text
