"""Uploads in parts over HTTP: any order, at once, again, broken off and taken up, and everything that is refused."""

from __future__ import annotations

import hashlib
import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from reelkit.testing.served import ServedSite, served_site
from reelkit.testing.servers import S3Bucket

MIB = 1 << 20


def padded(source: Path, size: int, made: Path) -> Path:
    """Make an MP4 of just this size: the sample, and behind it a box that players skip."""
    content = source.read_bytes()
    missing = size - len(content)
    noise = random.Random(size).randbytes(missing - 8)
    made.write_bytes(content + missing.to_bytes(4, "big") + b"free" + noise)
    return made


@pytest.fixture(scope="session")
def film(sample_h264: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A playable MP4 of 21 MiB and a bit."""
    return padded(sample_h264, 21 * MIB + 12345, tmp_path_factory.mktemp("film") / "film.mp4").read_bytes()


def send(
    site: ServedSite, video: str, content: bytes, content_range: str, *, name: str = "film.mp4", raw: bool = False
) -> httpx.Response:
    """Send one part as the official clients do."""
    headers = {"Content-Range": content_range}
    if raw:
        headers["Content-Type"] = "video/mp4"
        return site.client.post(f"/videos/{video}/source", content=content, headers=headers)
    return site.client.post(f"/videos/{video}/source", files={name: (name, content)}, headers=headers)


def cut(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content), size)]


def ranges(content: bytes, size: int, total: str | None = None) -> list[tuple[str, bytes]]:
    whole = total or str(len(content))
    return [
        (f"bytes {start}-{min(start + size, len(content)) - 1}/{whole}", content[start : start + size])
        for start in range(0, len(content), size)
    ]


def whole(site: ServedSite, video: str, content: bytes) -> None:
    """Check that the site has every byte and plays it."""
    status = site.wait(video, lambda status: bool(status["encoding"]["playable"]))
    assert status["ingest"]["filesize"] == len(content)
    got = httpx.get(f"{site.url}/vod/{video}/mp4/source.mp4").content
    assert hashlib.sha256(got).digest() == hashlib.sha256(content).digest()


def refused(answer: httpx.Response, slug: str, status: int = 400) -> dict[str, Any]:
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["type"].rpartition("/")[2]) == (status, slug), problem
    return problem


@pytest.mark.parametrize("order", ["forward", "backward", "shuffled"])
@pytest.mark.parametrize("total", ["known", "unknown"])
def test_parts_come_in_any_order(site: ServedSite, film: bytes, order: str, total: str) -> None:
    video = site.new_video()
    pieces = list(enumerate(cut(film, 5 * MIB), 1))
    numbered = [(f"part {n}/{len(pieces) if total == 'known' or n == len(pieces) else '*'}", data) for n, data in pieces]
    if order != "forward":
        numbered.reverse()
    if order == "shuffled":
        random.Random(1).shuffle(numbered)
    for content_range, data in numbered:
        assert site.client.get(f"/videos/{video}/status").json().get("ingest", {}).get("status") in (None, "uploading")
        answer = send(site, video, data, content_range)
        assert (answer.status_code, answer.json().get("videoId")) == (201, video), answer.text
    assert site.status(video)["ingest"]["receivedParts"] == {"parts": [1, 2, 3, 4, 5], "total": 5}
    whole(site, video, film)


@pytest.mark.parametrize("total", ["known", "unknown"])
def test_byte_ranges_come_in_any_order(site: ServedSite, film: bytes, total: str) -> None:
    video = site.new_video()
    pieces = ranges(film, 6 * MIB, None if total == "known" else "*")
    last, data = pieces[-1]
    pieces[-1] = (last.replace("/*", f"/{len(film)}"), data)
    random.Random(2).shuffle(pieces)
    for number, (content_range, data) in enumerate(pieces, 1):
        assert send(site, video, data, content_range, raw=number % 2 == 0).status_code == 201
        if number == 2:
            told = site.status(video)["ingest"]["receivedBytes"]
            assert sum(stretch["to"] + 1 - stretch["from"] for stretch in told) == sum(len(data) for _, data in pieces[:2])
            known = {len(film)} if any("/*" not in header for header, _ in pieces[:2]) else set()
            assert {stretch["total"] for stretch in told if "total" in stretch} == known
    assert site.status(video)["ingest"]["receivedBytes"] == [{"from": 0, "to": len(film) - 1, "total": len(film)}]
    whole(site, video, film)


def at_once(site: ServedSite, video: str, pieces: list[tuple[str, bytes]]) -> None:
    """Send every piece twice, all at the same time: clients try again, and everything must still be right."""
    with ThreadPoolExecutor(len(pieces) * 2) as threads:
        answers = list(threads.map(lambda piece: send(site, video, piece[1], piece[0]), [*pieces, *pieces]))
    assert [answer.status_code for answer in answers] == [201] * len(answers), [answer.text for answer in answers]


@pytest.fixture(scope="module")
def long_film(sample_h264: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A playable MP4 that is 20 parts long."""
    return padded(sample_h264, 96 * MIB, tmp_path_factory.mktemp("film") / "long.mp4").read_bytes()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A site that two processes serve, of a test that may kill them."""
    with served_site(tmp_path_factory.mktemp("pair"), workers=2) as site:
        yield site


def test_twenty_parts_at_once_through_two_processes(pair: ServedSite, long_film: bytes) -> None:
    pieces = [(f"part {n}/20", data) for n, data in enumerate(cut(long_film, 5 * MIB), 1)]
    assert len(pieces) == 20
    video = pair.new_video()
    at_once(pair, video, pieces)
    whole(pair, video, long_film)
    uploads = pair.folder / "data" / "media" / "uploads"
    assert uploads.is_dir() and not list(uploads.iterdir())


def test_parts_in_object_storage(tmp_path: Path, s3_bucket: S3Bucket, film: bytes) -> None:
    settings = (
        '[use]\nstorage = "s3"\n'
        f'[plugins.s3]\nbucket = "{s3_bucket.bucket}"\nendpoint = "{s3_bucket.endpoint}"\nregion = "{s3_bucket.region}"\n'
        f'allow_http = true\naccess_key = "{s3_bucket.access_key}"\nsecret_key = "{s3_bucket.secret_key}"\n'
    )
    with served_site(tmp_path / "site", settings) as site:
        numbered, by_bytes = site.new_video(), site.new_video()
        at_once(site, numbered, [(f"part {n}/5", data) for n, data in enumerate(cut(film, 5 * MIB), 1)])
        whole(site, numbered, film)
        pieces = ranges(film, 5 * MIB)
        for content_range, data in pieces[2:]:
            assert send(site, by_bytes, data, content_range).status_code == 201
        site.kill()
        site.start()
        assert site.status(by_bytes)["ingest"]["receivedBytes"] == [
            {"from": 10 * MIB, "to": len(film) - 1, "total": len(film)}
        ]
        for content_range, data in pieces[:2]:
            assert send(site, by_bytes, data, content_range).status_code == 201
        whole(site, by_bytes, film)
        ended = site.new_video()
        for content_range, data in (("part 1/*", film), ("part 2/2", b"")):
            assert send(site, ended, data, content_range).status_code == 201
        whole(site, ended, film)


def begun(site: ServedSite, video: str, content_range: str, data: bytes, length: int) -> socket.socket:
    """Begin to send a part of `length` bytes and stop in the middle."""
    connection = socket.create_connection(("127.0.0.1", site.port), timeout=20)
    head = f"POST /videos/{video}/source HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.key}\r\n"
    head += f"Content-Type: video/mp4\r\nContent-Range: {content_range}\r\nContent-Length: {length}\r\n\r\n"
    connection.sendall(head.encode() + data)
    return connection


def test_an_upload_goes_on_after_the_server_was_killed(pair: ServedSite, film: bytes) -> None:
    pieces = ranges(film, 5 * MIB)
    site = pair
    video = site.new_video()
    for content_range, data in pieces[:3]:
        assert send(site, video, data, content_range).status_code == 201
    with begun(site, video, pieces[3][0], pieces[3][1][: 2 * MIB], len(pieces[3][1])):
        time.sleep(0.3)
        site.kill()
    site.start()
    assert site.status(video)["ingest"] == {
        "status": "uploading",
        "filesize": len(film),
        "receivedBytes": [{"from": 0, "to": 15 * MIB - 1, "total": len(film)}],
    }
    for content_range, data in pieces[3:]:
        assert send(site, video, data, content_range).status_code == 201
    whole(site, video, film)


def test_a_part_whose_client_left_can_be_sent_again(site: ServedSite, film: bytes) -> None:
    video = site.new_video()
    pieces = cut(film, 5 * MIB)
    assert send(site, video, pieces[0], "part 1/5").status_code == 201
    begun(site, video, "part 2/5", pieces[1][:MIB], len(pieces[1])).close()
    for number, data in list(enumerate(pieces, 1))[1:]:
        assert send(site, video, data, f"part {number}/5").status_code == 201
    whole(site, video, film)


def test_a_part_that_is_the_same_once_more_is_accepted_even_after_the_end(site: ServedSite, film: bytes) -> None:
    numbered, by_bytes, at_whole = site.new_video(), site.new_video(), site.new_video()
    for number, data in enumerate(cut(film, 8 * MIB), 1):
        for _ in range(2):
            assert send(site, numbered, data, f"part {number}/3").json()["videoId"] == numbered
    for content_range, data in ranges(film, 8 * MIB):
        for _ in range(2):
            assert send(site, by_bytes, data, content_range).status_code == 201
    for _ in range(2):
        assert send(site, at_whole, film, "part 1/1").status_code == 201
    for video in (numbered, by_bytes, at_whole):
        whole(site, video, film)
        refused(send(site, video, film, ""), "video-source-already-uploaded")
    other = b"x" * (8 * MIB)
    refused(send(site, numbered, other, "part 2/3"), "video-content-range-by-part-part-already-sent")
    refused(send(site, by_bytes, other, ranges(film, 8 * MIB)[1][0]), "video-content-range-by-bytes-range-overlap")
    refused(send(site, at_whole, other, "part 1/1"), "video-source-already-uploaded")


def test_of_two_clients_that_race_for_a_part_one_wins(site: ServedSite, film: bytes) -> None:
    video = site.new_video()
    mine, others = film[: 8 * MIB], b"y" * (8 * MIB)
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda data: send(site, video, data, "part 1/3"), [mine, others]))
    assert sorted(answer.status_code for answer in answers) == [201, 400]
    refused(max(answers, key=lambda answer: answer.status_code), "video-content-range-by-part-part-already-sent")
    if answers[0].status_code == 201:
        for number, data in list(enumerate(cut(film, 8 * MIB), 1))[1:]:
            assert send(site, video, data, f"part {number}/3").status_code == 201
        whole(site, video, film)


SIX = b"z" * (6 * MIB)

BY_ITSELF = [
    ("part 1", "malformed", None),
    ("part one/2", "malformed", None),
    ("bytes 0-5", "malformed", None),
    ("bytes */100", "malformed", None),
    ("bytes=0-5/6", "malformed", None),
    ("part 0/3", "by-part-part-zero", (1, 10000)),
    ("part 1/0", "by-part-total-parts-zero", (1, 10000)),
    ("part 4/3", "by-part-part-too-high-total", (1, 3)),
    ("part 10001/*", "by-part-part-too-high-allowed", (1, 10000)),
    ("part 1/10001", "by-part-total-parts-too-high", (1, 10000)),
    ("bytes 9-8/100000000", "by-bytes-from-byte-too-high", (0, 8)),
    ("bytes 0-0/0", "by-bytes-total-bytes-zero", (1, 30 << 30)),
    ("bytes 0-8000000/8000000", "by-bytes-to-byte-too-high-total", (0, 7999999)),
    ("bytes 0-5999999/99999999999", "by-bytes-total-bytes-too-high", (1, 30 << 30)),
    ("bytes 99999999000-99999999999/*", "by-bytes-to-byte-too-high-allowed", (0, (30 << 30) - 1)),
    ("bytes 0-5999999999/6000000000", None, None),
    ("bytes 0-5999999999/7000000000", "by-bytes-range-too-large", (5 << 20, 5 << 30)),
    ("bytes 0-999999/9000000", "by-bytes-range-too-small", (5 << 20, 5 << 30)),
    ("bytes 0-999999/*", "by-bytes-range-too-small", (5 << 20, 5 << 30)),
    ("bytes 0-5999999/90000000", "by-bytes-range-mismatch", (6000000, 6000000)),
]


@pytest.mark.parametrize(("content_range", "slug", "bounds"), BY_ITSELF)
def test_a_part_that_fits_into_no_upload(
    site: ServedSite, content_range: str, slug: str | None, bounds: tuple[int, int] | None
) -> None:
    video = site.new_video()
    answer = send(site, video, SIX, content_range)
    problem = refused(answer, f"video-content-range-{slug or 'by-bytes-range-mismatch'}")
    assert problem["name"] == "Content-Range" and problem["detail"]
    if bounds is not None:
        assert problem["range"] == {"min": bounds[0], "max": bounds[1]}
    assert "ingest" not in site.status(video)


BESIDE_OTHERS = [
    ("part 2/4", ["part 1/3"], "by-part-different-total-parts"),
    ("part 4/4", ["part 1/3"], "by-part-different-total-parts"),
    ("part 4/*", ["part 1/3"], "by-part-part-too-high-total"),
    ("part 1/2", ["part 3/*"], "by-part-total-parts-too-low"),
    ("part 1/3", ["part 1/3"], "by-part-part-already-sent"),
    ("bytes 6000000-11999999/18000000", ["part 1/3"], "started-with-part"),
    ("part 2/3", ["bytes 0-6291455/18000000"], "started-with-bytes"),
    ("", ["bytes 0-6291455/18000000"], "already-initiated"),
    ("", ["part 1/*"], "already-initiated"),
    ("bytes 6291456-12582911/19000000", ["bytes 0-6291455/18000000"], "by-bytes-different-total-bytes"),
    ("bytes 12582912-18874367/*", ["bytes 0-6291455/18000000"], "by-bytes-to-byte-too-high-total"),
    ("bytes 0-6291455/9000000", ["bytes 6291456-12582911/*"], "by-bytes-total-bytes-too-low"),
    ("bytes 6291455-12582910/*", ["bytes 0-6291455/*"], "by-bytes-range-overlap"),
    ("bytes 6000000-12291455/*", ["bytes 12000000-18291455/*"], "by-bytes-range-overlap"),
]


@pytest.mark.parametrize(("content_range", "before", "slug"), BESIDE_OTHERS)
def test_a_part_that_does_not_fit_to_the_others(site: ServedSite, content_range: str, before: list[str], slug: str) -> None:
    video = site.new_video()
    for other in before:
        answer = send(site, video, b"o" * (6 * MIB), other)
        assert answer.status_code == 201, answer.text
    standing = site.status(video)["ingest"]
    refused(send(site, video, SIX, content_range), f"video-content-range-{slug}")
    assert site.status(video)["ingest"] == standing


def test_only_the_last_part_may_be_small(site: ServedSite, film: bytes) -> None:
    video = site.new_video()
    pieces = cut(film, 7 * MIB)
    small = b"s" * (5 * MIB - 1)
    for content_range in ("part 1/4", "part 2/*"):
        refused(send(site, video, small, content_range), "video-content-range-by-part-uploaded-file-too-small")
    assert "ingest" not in site.status(video)
    assert send(site, video, pieces[3], "part 4/4").status_code == 201 and len(pieces[3]) < MIB
    refused(send(site, video, small, "part 2/4"), "video-content-range-by-part-uploaded-file-too-small")
    for number, data in enumerate(pieces[:3], 1):
        assert send(site, video, data, f"part {number}/4").status_code == 201
    whole(site, video, film)


@pytest.mark.parametrize("raw", [True, False])
def test_the_last_part_may_have_no_bytes(site: ServedSite, film: bytes, raw: bool) -> None:
    """Of a recording that ends where the part before it ended."""
    video = site.new_video()
    cuts = cut(film, 11 * MIB)
    refused(send(site, video, b"", "part 1/3", raw=raw), "uploaded-file-empty")
    for content_range, data in (("part 1/*", cuts[0]), ("part 3/3", b""), ("part 3/3", b""), ("part 2/*", cuts[1])):
        answer = send(site, video, data, content_range, raw=raw)
        assert answer.status_code == 201, answer.text
    whole(site, video, film)


def test_parts_of_unequal_sizes_and_with_fields_behind_the_file(site: ServedSite, film: bytes) -> None:
    video = site.new_video()
    cuts = [0, 9 * MIB, 14 * MIB, len(film)]
    for number in (3, 1, 2):
        data = film[cuts[number - 1] : cuts[number]]
        form = b"".join([
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="f.mp4"\r\n\r\n', data,
            b'\r\n--b\r\nContent-Disposition: form-data; name="more"\r\n\r\nx\r\n--b--\r\n',
        ])  # fmt: skip
        headers = {"Content-Range": f"part {number}/3", "Content-Type": "multipart/form-data; boundary=b"}
        first, again = (site.client.post(f"/videos/{video}/source", content=form, headers=headers) for _ in range(2))
        # Its length cannot be known from the headers, which shows at the end of the first one.
        assert first.status_code == (503 if number == 3 else 201) and again.status_code == 201
        if number == 3:
            refused(first, "service-unavailable", 503)
    whole(site, video, film)


def test_forms_of_node_fetch_lack_their_last_line_break(site: ServedSite, film: bytes) -> None:
    video, boundary = site.new_video(), b"----formdata-undici-012345678901"
    for number, data in enumerate(cut(film, 8 * MIB), 1):
        head = b'\r\nContent-Disposition: form-data; name="file"; filename="f.mp4"\r\n\r\n'
        form = b"--" + boundary + head + data + b"\r\n--" + boundary + b"--"
        kind = f"multipart/form-data; boundary={boundary.decode()}"
        headers = {"Content-Range": f"part {number}/3", "Content-Type": kind}
        answer = site.client.post(f"/videos/{video}/source", content=form, headers=headers)
        assert answer.status_code == 201, answer.text
    whole(site, video, film)


def test_a_film_that_is_none_is_refused_with_its_last_part(site: ServedSite) -> None:
    video = site.new_video()
    assert send(site, video, b"x" * (6 * MIB), "part 1/2").status_code == 201
    refused(send(site, video, b"y" * 1000, "part 2/2"), "uploaded-file-invalid-file")
    assert site.status(video)["ingest"]["error"]["title"]
    # Another try begins anew.
    assert send(site, video, b"x" * (6 * MIB), "part 1/2").status_code == 201
    assert site.status(video)["ingest"]["receivedParts"] == {"parts": [1], "total": 2}


def test_nobody_adds_parts_to_what_is_not_theirs(site: ServedSite) -> None:
    video = site.new_video()
    sandbox = {"Authorization": f"Bearer {site.new_key(environment='sandbox')}", "Content-Range": "part 1/2"}
    answer = httpx.post(f"{site.url}/videos/{video}/source", files={"f": ("a", SIX)}, headers=sandbox)
    refused(answer, "resource-not-found", 404)
