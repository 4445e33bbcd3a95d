"""The picture of a video is what its owner uploads, or the frame that they pick."""

from __future__ import annotations

import struct
import subprocess
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import httpx
import imageio_ffmpeg
import numpy as np
import pytest
from reelkit.testing.served import ServedSite

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def ffmpeg(*arguments: str | Path) -> bytes:
    return subprocess.run([FFMPEG, "-v", "error", "-y", *map(str, arguments)], check=True, capture_output=True).stdout


def pixels(jpeg: bytes, folder: Path) -> np.ndarray:
    """Return a JPEG as an array of shape (height, width, 3)."""
    (folder / "shown.jpg").write_bytes(jpeg)
    raw = ffmpeg("-i", folder / "shown.jpg", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    place = jpeg.index(b"\xff\xc0") + 5
    height, width = struct.unpack(">HH", jpeg[place : place + 4])
    return np.frombuffer(raw, np.uint8).reshape(height, width, 3)


def bomb(width: int, height: int) -> bytes:
    """Return a small PNG that unfolds to a picture of any size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(9)
    lines = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def upload(site: ServedSite, video: str, name: str, content: bytes) -> httpx.Response:
    return site.client.post(f"/videos/{video}/thumbnail", files={name: (name, content, "image/jpeg")})


def shown(site: ServedSite, video: str, right: Callable[[bytes], bool], timeout: float = 60) -> bytes:
    """Return the picture once it is right."""
    deadline = time.monotonic() + timeout
    while True:
        answer = site.client.get(f"/vod/{video}/thumbnail.jpg")
        if answer.status_code == 200 and right(answer.content):
            assert answer.headers["content-type"] == "image/jpeg"
            return answer.content
        assert time.monotonic() < deadline, answer
        time.sleep(0.2)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_an_uploaded_picture_is_shown_before_there_is_a_source(site: ServedSite, tmp_path: Path, kind: str) -> None:
    ffmpeg("-f", "lavfi", "-i", "color=red:s=3000x1000,format=rgb24", "-frames:v", "1", tmp_path / f"red.{kind}")
    video = site.new_video()

    answer = upload(site, video, f"red.{kind}", (tmp_path / f"red.{kind}").read_bytes())

    assert answer.status_code == 200, answer.text
    assert answer.json()["videoId"] == video
    picture = pixels(shown(site, video, lambda _: True), tmp_path)
    assert picture.shape == (640, 1920, 3)
    assert np.abs(picture.mean((0, 1)) - (254, 0, 0)).max() < 6


def test_what_is_no_picture_is_refused_and_the_old_one_stays(site: ServedSite, tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180", "-frames:v", "1", tmp_path / "a.png")
    good = (tmp_path / "a.png").read_bytes()
    video = site.new_video()
    assert upload(site, video, "a.png", good).status_code == 200
    before = shown(site, video, lambda _: True)

    for content, slug in (
        (b"<svg/>", "uploaded-file-extension-invalid"),
        (b"GIF89a" + bytes(100), "uploaded-file-extension-invalid"),
        (b"", "uploaded-file-empty"),
        (good[:600], "uploaded-file-invalid-file"),
        (bomb(9000, 9000), "uploaded-file-invalid-file"),
        (bomb(6500, 6500), "uploaded-file-invalid-file"),
        (bytes(9 << 20), "uploaded-file-too-large"),
    ):
        answer = upload(site, video, "a.png", content)
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (400, slug), answer.text
    none = site.client.post(f"/videos/{video}/thumbnail", files={"x": (None, "no file")})
    assert none.json()["type"].endswith("uploaded-file-no-file")
    assert upload(site, "viNOSUCH", "a.png", good).status_code == 404
    time.sleep(2)
    assert shown(site, video, lambda _: True) == before


def film(tmp_path: Path, *, turned: bool = False) -> Path:
    """Make 3 s: red, then green, then blue, a second each; 25 frames a second; a key frame only at the start."""
    parts = "".join(f"color={color}:s=320x180:r=25:d=1[{color}];" for color in ("red", "lime", "blue"))
    graph = f"{parts}[red][lime][blue]concat=n=3,drawbox=c=black:w=iw:h=40:t=fill[v]"
    ffmpeg("-filter_complex", graph, "-map", "[v]", "-g", "999", "-pix_fmt", "yuv420p", tmp_path / "film.mp4")
    if not turned:
        return tmp_path / "film.mp4"
    ffmpeg("-display_rotation", "90", "-i", tmp_path / "film.mp4", "-c", "copy", tmp_path / "turned.mp4")
    return tmp_path / "turned.mp4"


def color(picture: np.ndarray) -> str:
    return ("red", "green", "blue")[int(picture[picture.shape[0] // 2, picture.shape[1] // 2].argmax())]


def test_a_frame_is_picked_before_and_after_the_source_comes(site: ServedSite, tmp_path: Path) -> None:
    video = site.new_video()
    path = f"/videos/{video}/thumbnail"
    early = site.client.patch(path, json={"timecode": "00:00:01.500"})
    assert (early.status_code, early.json()["videoId"]) == (200, video)

    site.upload(video, film(tmp_path))

    picture = pixels(shown(site, video, lambda jpeg: color(pixels(jpeg, tmp_path)) == "green"), tmp_path)
    assert picture.shape == (180, 320, 3)
    for timecode, wanted in (("00:00:02:10", "blue"), ("00:00:24", "red"), ("2", "blue"), ("00:00:00", "red")):
        assert site.client.patch(path, json={"timecode": timecode}).status_code == 200
        shown(site, video, lambda jpeg, wanted=wanted: color(pixels(jpeg, tmp_path)) == wanted)  # type: ignore[misc]  # bound now


def test_a_turned_film_gives_an_upright_frame(site: ServedSite, tmp_path: Path) -> None:
    """What ffmpeg itself makes of the rotation is right."""
    source = film(tmp_path, turned=True)
    ffmpeg("-ss", "1.5", "-i", source, "-frames:v", "1", tmp_path / "right.jpg")
    video = site.new_video()
    site.client.patch(f"/videos/{video}/thumbnail", json={"timecode": "1.5"})
    site.upload(video, source)

    picture = pixels(shown(site, video, lambda jpeg: color(pixels(jpeg, tmp_path)) == "green"), tmp_path)

    right = pixels((tmp_path / "right.jpg").read_bytes(), tmp_path)
    assert picture.shape == right.shape == (320, 180, 3)
    assert np.abs(picture.astype(int) - right).mean() < 12


@pytest.mark.parametrize("timecode", ["", "1:00:00", "00:00:61", "-1", "soon", "00:00:01:", "1e3", "٣"])
def test_a_timecode_that_is_none_is_refused(site: ServedSite, timecode: str) -> None:
    answer = site.client.patch(f"/videos/{site.new_video()}/thumbnail", json={"timecode": timecode})
    assert (answer.status_code, answer.json()["name"]) == (400, "timecode")
