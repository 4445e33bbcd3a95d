"""What is uploaded by mistake or by malice gets a reason, and leaves nothing behind."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from reelkit.testing.played import Played
from reelkit.testing.served import ServedSite, served_site

LIMIT = 40_000_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A site that takes files of at most 40 MB."""
    settings = f"[limits]\nsource_bytes = {LIMIT}\nduration_minutes = 1\n"
    with served_site(tmp_path_factory.mktemp("site"), settings) as site:
        yield site


@pytest.fixture
def video(site: ServedSite) -> str:
    return site.new_video()


def box(kind: bytes, content: bytes = b"", size: int | None = None) -> bytes:
    return struct.pack(">I4s", len(content) + 8 if size is None else size, kind) + content


def refused(answer: httpx.Response, slug: str, status: int = 400) -> dict[str, Any]:
    """Check the form of a Problem and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-request-id"]
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"https://docs.api.video/reference/{slug}"
    assert problem["status"] == status and problem["title"]
    assert "Traceback" not in answer.text
    return problem


def send(site: ServedSite, video: str, content: bytes, name: str = "a.mp4") -> httpx.Response:
    return site.client.post(f"/videos/{video}/source", files={"file": (name, content, "video/mp4")})


def nothing_stays(site: ServedSite, video: str) -> None:
    """The bytes of a refused upload are gone soon."""
    deadline = time.monotonic() + 60
    while site.files(video):
        assert time.monotonic() < deadline
        time.sleep(0.2)


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41")

USELESS = {
    "text named .mp4": b"This is not a video at all.\n" * 100,
    "a playlist of a local file": b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "a concat list of a local file": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "an empty movie": FTYP + box(b"moov"),
    "a box larger than the file": FTYP + box(b"moov", b"x" * 100, size=1 << 30),
    "a box smaller than its header": FTYP + box(b"moov", b"x" * 100, size=4) + b"\0" * 1000,
    "a movie inside itself": FTYP + box(b"moov", box(b"trak", box(b"moov", box(b"trak")))),
    "an index of a gigabyte": FTYP + struct.pack(">I4sQ", 1, b"moov", 1 << 30) + b"\0" * 100_000,
    "zeros": b"\0" * 100_000,
    "ten thousand tracks": FTYP + box(b"moov", box(b"mvhd", b"\0" * 100) + box(b"trak", b"") * 10_000),
}


@pytest.fixture(scope="module")
def answers(site: ServedSite) -> dict[str, tuple[str, httpx.Response]]:
    """The video and the answer of each useless upload, all made before the sweep that removes bytes twice a minute."""
    videos = {what: site.new_video(what) for what in USELESS}
    return {what: (video, send(site, video, USELESS[what])) for what, video in videos.items()}


@pytest.mark.parametrize("what", USELESS)
def test_a_useless_file_is_refused_with_a_reason(
    what: str, site: ServedSite, answers: dict[str, tuple[str, httpx.Response]]
) -> None:
    video, answer = answers[what]
    problem = refused(answer, "uploaded-file-invalid-file")
    assert len(problem["detail"]) > 10 and "/" not in problem["detail"], problem
    status = site.status(video)
    assert status["ingest"]["status"] in ("uploading", "uploaded", "ingesting", "ingested")
    assert status["ingest"]["error"]["detail"] == problem["detail"]
    assert status["encoding"]["playable"] is False
    assert status["encoding"]["qualities"] == [{"type": "hls", "quality": "240p", "status": "failed"}]
    nothing_stays(site, video)


def test_after_a_refused_file_a_good_one_may_follow(
    site: ServedSite, video: str, sample_h264: Path, watch: Callable[[str], Played]
) -> None:
    refused(send(site, video, b"nonsense" * 100), "uploaded-file-invalid-file")
    assert site.upload(video, sample_h264).status_code == 201
    assert len(watch(f"{site.url}/vod/{video}/hls/manifest.m3u8").frames) == 300
    refused(site.upload(video, sample_h264), "video-source-already-uploaded")


def test_an_index_at_the_front_plays_as_far_as_the_file_goes(
    site: ServedSite, video: str, sample: Callable[..., Path], watch: Callable[[str], Played]
) -> None:
    whole = sample(faststart=True)
    assert send(site, video, whole.read_bytes()[: whole.stat().st_size * 2 // 3]).status_code == 201
    played = watch(f"{site.url}/vod/{video}/hls/manifest.m3u8").frames
    assert len(played) > 90
    # Of the pictures that stand between others, the very last ones may be missing.
    assert played[:-4] == watch(str(whole)).frames[: len(played) - 4]


def test_a_picture_that_nobody_can_decode_fails_where_people_look(site: ServedSite, video: str, sample_h264: Path) -> None:
    noise = bytearray(sample_h264.read_bytes())
    begin, end = noise.index(b"mdat") + 4, noise.index(b"moov") - 4
    noise[begin:end] = random.Random(1).randbytes(end - begin)
    assert send(site, video, bytes(noise)).status_code == 201
    failure = site.wait(video, lambda status: "error" in status["encoding"])["encoding"]["error"]["detail"]
    assert failure == "The file is damaged, or it is not a video."
    manifest, deadline = f"{site.url}/vod/{video}/hls/manifest.m3u8", time.monotonic() + 30
    while (answer := httpx.get(manifest)).status_code == 202:  # what is known of a video is looked up again after a moment
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert refused(answer, "resource-not-found", 404)["detail"] == failure
    page = httpx.get(f"{site.url}/embed/vod/{video}").text
    assert '"state":"failed"' in page and failure in page


def test_an_index_at_the_end_that_is_cut_off_is_refused(site: ServedSite, video: str, sample_h264: Path) -> None:
    whole = sample_h264.read_bytes()
    problem = refused(send(site, video, whole[: len(whole) // 2]), "uploaded-file-invalid-file")
    assert "cut off" in problem["detail"] or "ends" in problem["detail"]


def test_a_video_that_is_too_long_is_refused(site: ServedSite, video: str, sample: Callable[..., Path]) -> None:
    long = sample(duration=70, width=64, height=36, frame_rate="5", audio=None)
    problem = refused(send(site, video, long.read_bytes()), "uploaded-file-invalid-file")
    assert "0:01:10" in problem["detail"] and "0:01:00" in problem["detail"]


def test_sound_alone_plays_and_so_does_a_silent_picture(
    site: ServedSite, sample: Callable[..., Path], watch: Callable[[str], Played]
) -> None:
    for options, frames, seconds_of_sound in (({"video": None}, 0, 4), ({"audio": None}, 120, 0)):
        video = site.new_film(sample(duration=4, **options))
        played = watch(f"{site.url}/vod/{video}/hls/manifest.m3u8")
        assert len(played.frames) == frames
        assert len(played.sound) == pytest.approx(seconds_of_sound * 48000 / 1024, abs=3)
        # Sound has no height; clients refuse any word that the contract has not.
        assert {quality["quality"] for quality in site.status(video)["encoding"]["qualities"]} <= {"240p", "360p"}


# The form of the request


def test_an_empty_file_is_refused(site: ServedSite, video: str) -> None:
    refused(send(site, video, b""), "uploaded-file-empty")
    raw = site.client.post(f"/videos/{video}/source", content=b"", headers={"Content-Type": "video/mp4"})
    refused(raw, "uploaded-file-empty")
    assert "ingest" not in site.status(video)


def test_a_form_without_a_file_or_with_two_is_refused(site: ServedSite, video: str) -> None:
    path = f"/videos/{video}/source"
    refused(site.client.post(path, files={"title": (None, "only a field")}), "uploaded-file-no-file")
    two = {"a": ("a.mp4", b"x" * 100, "video/mp4"), "b": ("b.mp4", b"y" * 100, "video/mp4")}
    refused(site.client.post(path, files=two), "uploaded-file-multiple-files")
    refused(site.client.post(path), "uploaded-file-no-file")
    assert "ingest" not in site.status(video)


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "image/png", "application/x-www-form-urlencoded"]
)
def test_a_wrong_content_type_is_refused_with_the_right_ones(content_type: str, site: ServedSite, video: str) -> None:
    answer = site.client.post(f"/videos/{video}/source", content=b"x" * 1000, headers={"Content-Type": content_type})
    assert "multipart/form-data" in refused(answer, "uploaded-file-no-file")["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"no boundary anywhere",
        b"--b\r\nContent-Disposition: form-data; name=f; filename=a.mp4\r\n\r\nbytes",
        b"--b\r\nContent-Disposition: form-data; name=f; filename=a.mp4\r\n\r\nbytes\r\n--b\r\n",
        b"--b\r\nno header\r\n\r\nbytes\r\n--b--\r\n",
        b"--b\r\n" + b"X: " + b"y" * 100_000,
        b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n" + b"x" * 200_000 + b"\r\n--b--\r\n",
    ],
)
def test_a_malformed_form_is_refused(body: bytes, site: ServedSite, video: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = site.client.post(f"/videos/{video}/source", content=body, headers=headers)
    assert answer.status_code == 400 and answer.json()["status"] == 400, answer.text
    assert "ingest" not in site.status(video)
    nothing_stays(site, video)


def test_a_file_that_says_it_is_too_large_is_refused_before_its_bytes_are_taken(site: ServedSite, video: str) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as connection:
        head = f"POST /videos/{video}/source HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.key}\r\n"
        head += f"Content-Type: video/mp4\r\nContent-Length: {LIMIT + 1}\r\n\r\n"
        connection.sendall(head.encode())
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400") and b"uploaded-file-too-large" in answer


def test_a_file_that_turns_out_too_large_is_refused_then(site: ServedSite, video: str) -> None:
    def body() -> Iterator[bytes]:
        for _ in range(LIMIT // 1_000_000 + 2):
            yield b"x" * 1_000_000

    answer = site.client.post(f"/videos/{video}/source", content=body(), headers={"Content-Type": "video/mp4"})
    refused(answer, "uploaded-file-too-large")
    assert "ingest" not in site.status(video)
    nothing_stays(site, video)


@pytest.mark.parametrize("form", [False, True])
def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    form: bool, site: ServedSite, video: str, sample_h264: Path
) -> None:
    kind = "multipart/form-data; boundary=b" if form else "video/mp4"
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as connection:
        head = f"POST /videos/{video}/source HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.key}\r\n"
        head += f"Content-Type: {kind}\r\nContent-Length: 9000000\r\n\r\n"
        start = b"--b\r\nContent-Disposition: form-data; name=f; filename=a.mp4\r\n\r\n" if form else b""
        connection.sendall(head.encode() + start + b"x" * 5_000_000)
        site.wait(video, lambda status: status.get("ingest", {}).get("status") == "uploading")
    site.wait(video, lambda status: "ingest" not in status)
    nothing_stays(site, video)
    assert site.upload(video, sample_h264).status_code == 201


def test_a_content_range_that_names_the_whole_file_is_a_whole_upload(site: ServedSite, sample_h264: Path) -> None:
    content = sample_h264.read_bytes()
    size = len(content)
    for header, slug in {
        "part 1/1": None,
        f"bytes 0-{size - 1}/{size}": None,
        "part 1/2": "video-content-range-by-part-uploaded-file-too-small",
        "part 1/*": "video-content-range-by-part-uploaded-file-too-small",
        f"bytes 0-99/{size}": "video-content-range-by-bytes-range-too-small",
        "bytes 9-1/100": "video-content-range-by-bytes-from-byte-too-high",
        "nonsense": "video-content-range-malformed",
        f"bytes 0-{size}/{size + 1}": "video-content-range-by-bytes-range-mismatch",
    }.items():
        video = site.new_video()
        answer = site.client.post(
            f"/videos/{video}/source", files={"f": ("a.mp4", content, "video/mp4")}, headers={"Content-Range": header}
        )
        if slug is None:
            assert answer.status_code == 201, (header, answer.text)
        else:
            refused(answer, slug)


def test_nobody_uploads_into_a_video_that_is_not_theirs(site: ServedSite, video: str, sample_h264: Path) -> None:
    sandbox = site.new_key(environment="sandbox")
    with sample_h264.open("rb") as content:
        other = httpx.post(
            f"{site.url}/videos/{video}/source",
            files={"file": ("a.mp4", content, "video/mp4")},
            headers={"Authorization": f"Bearer {sandbox}"},
        )
    assert refused(other, "resource-not-found", 404)["name"] == "videoId"
    nobody = httpx.post(f"{site.url}/videos/{video}/source", files={"file": ("a.mp4", b"x", "video/mp4")})
    refused(nobody, "authentication-missing-authorization-header", 401)
