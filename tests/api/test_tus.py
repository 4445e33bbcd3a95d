"""tus 1.0.0 by real clients, and by hand where clients are too well-behaved."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import socket
import subprocess
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from reelkit.testing import npm
from reelkit.testing.served import ServedSite, served_site
from reelkit.testing.servers import S3Bucket
from tusclient.client import TusClient

MIB = 1 << 20
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {"Content-Type": "application/offset+octet-stream"}


@pytest.fixture(scope="module")
def film(sample_h264: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A playable MP4 of 19 MiB and a bit."""
    content = sample_h264.read_bytes()
    missing = 19 * MIB + 4321 - len(content)
    made = tmp_path_factory.mktemp("film") / "film.mp4"
    made.write_bytes(content + missing.to_bytes(4, "big") + b"free" + random.Random(1).randbytes(missing - 8))
    return made


def keep_modules(work: Path, made: Path, final: Path) -> None:
    """Keep the folder's name, by which node finds what packages need of each other."""
    (work / "node_modules").rename(made / "node_modules")


@pytest.fixture(scope="session")
def node_client() -> Any:
    """Run tus-js-client: node_client(endpoint=…, file=…) -> what it said."""
    package = Path(__file__).parent / "tus"
    modules = npm.installed(package, keep_modules)
    node, _ = npm.node_commands()

    def run(**options: Any) -> dict[str, Any]:
        command = [*node, str(package / "upload.mjs"), str(modules), json.dumps(options, default=str)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    return run


def whole(site: ServedSite, video: str, content: bytes) -> None:
    """Check that the site has every byte and plays it."""
    status = site.wait(video, lambda status: bool(status["encoding"]["playable"]))
    assert status["ingest"]["filesize"] == len(content)
    got = httpx.get(f"{site.url}/vod/{video}/mp4/source.mp4").content
    assert hashlib.sha256(got).digest() == hashlib.sha256(content).digest()


def metadata(**fields: str) -> dict[str, str]:
    pairs = [f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in fields.items()]
    return {"Upload-Metadata": ",".join(pairs)}


def create(site: ServedSite, size: int, **more: Any) -> httpx.Response:
    headers = TUS | {"Upload-Length": str(size)} | more.pop("headers", {})
    return site.client.post("/uploads/tus", headers=headers, **more)


def append(site: ServedSite, url: str, content: bytes, offset: int, **headers: str) -> httpx.Response:
    return site.client.patch(url, content=content, headers=TUS | BYTES | {"Upload-Offset": str(offset)} | headers)


def offset(site: ServedSite, url: str) -> int:
    answer = site.client.head(url, headers=TUS)
    assert answer.status_code == 200
    return int(answer.headers["Upload-Offset"])


def begun(site: ServedSite, url: str, start: int, content: bytes, missing: int | None = 1) -> socket.socket:
    """Begin to append more than is sent. missing: as many bytes more; None: nobody says how many."""
    connection = socket.create_connection(("127.0.0.1", site.port), timeout=60)
    head = f"PATCH {url} HTTP/1.1\r\nHost: x\r\nX-API-Key: {site.key}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {start}\r\n"
    head += "Content-Type: application/offset+octet-stream\r\n"
    told = "Transfer-Encoding: chunked\r\n\r\n900000" if missing is None else f"Content-Length: {len(content) + missing}\r\n"
    connection.sendall(f"{head}{told}\r\n".encode() + content)
    return connection


def break_off(site: ServedSite, url: str, content: bytes, stop: int, missing: int | None = 1) -> None:
    """Append up to a place and go; the site must have every byte of it."""
    at = offset(site, url)
    begun(site, url, at, content[at:stop], missing).close()
    deadline = time.monotonic() + 60
    while offset(site, url) != stop and time.monotonic() < deadline:
        time.sleep(0.05)
    assert offset(site, url) == stop


def endpoint(site: ServedSite) -> str:
    return f"{site.url}/uploads/tus"


def test_tuspy_uploads_in_chunks_smaller_than_storages_take(site: ServedSite, film: Path) -> None:
    client = TusClient(endpoint(site), headers={"Authorization": f"Bearer {site.key}"})
    uploader = client.uploader(
        str(film), chunk_size=3 * MIB, metadata={"filename": "../../Ferien & Höhle.mp4"}, upload_checksum=True
    )
    uploader.upload_chunk()  # type: ignore[no-untyped-call]  # half of the client has no types
    assert uploader.url is not None
    assert (uploader.offset, offset(site, uploader.url)) == (3 * MIB, 3 * MIB)
    # Another run of the client, that knows nothing but the address.
    again = client.uploader(str(film), chunk_size=4 * MIB, url=uploader.url)
    again.upload()
    video = site.client.head(uploader.url, headers=TUS).headers["Video-Id"]
    assert site.client.get(f"/videos/{video}").json()["title"] == "Ferien & Höhle.mp4"
    assert site.status(video)["ingest"]["receivedBytes"] == [
        {"from": 0, "to": film.stat().st_size - 1, "total": film.stat().st_size}
    ]
    whole(site, video, film.read_bytes())


@pytest.mark.parametrize("options", [{}, {"chunkSize": 5 * MIB}, {"chunkSize": 9 * MIB, "uploadDataDuringCreation": True}])
def test_the_browser_client_uploads(site: ServedSite, film: Path, node_client: Any, options: dict[str, Any]) -> None:
    said = node_client(
        endpoint=endpoint(site), file=film, headers={"X-API-Key": site.key}, metadata={"title": "By tus"}, **options
    )
    assert said.get("done"), said
    assert site.client.get(f"/videos/{said['videoId']}").json()["title"] == "By tus"
    whole(site, said["videoId"], film.read_bytes())


def test_the_browser_client_uploads_with_a_token_into_a_video(site: ServedSite, film: Path, node_client: Any) -> None:
    token = site.client.post("/upload-tokens").json()["token"]
    video = site.new_video("Its own title")
    said = node_client(endpoint=f"{endpoint(site)}?token={token}", file=film, metadata={"videoId": video}, chunkSize=8 * MIB)
    assert said.get("done"), said
    assert (said["videoId"], site.client.get(f"/videos/{video}").json()["title"]) == (video, "Its own title")
    whole(site, video, film.read_bytes())


def test_the_browser_client_uploads_in_parallel(site: ServedSite, film: Path, node_client: Any) -> None:
    said = node_client(endpoint=endpoint(site), file=film, headers={"X-API-Key": site.key}, parallelUploads=3)
    assert said.get("done"), said
    video = site.client.head(said["url"], headers=TUS).headers["Video-Id"]
    size = film.stat().st_size
    assert site.status(video)["ingest"]["receivedBytes"] == [{"from": 0, "to": size - 1, "total": size}]
    whole(site, video, film.read_bytes())


def test_the_browser_client_goes_on_after_a_kill_on_object_storage(
    tmp_path: Path, s3_bucket: S3Bucket, film: Path, node_client: Any
) -> None:
    settings = (
        '[use]\nstorage = "s3"\n'
        f'[plugins.s3]\nbucket = "{s3_bucket.bucket}"\nendpoint = "{s3_bucket.endpoint}"\nregion = "{s3_bucket.region}"\n'
        f'allow_http = true\naccess_key = "{s3_bucket.access_key}"\nsecret_key = "{s3_bucket.secret_key}"\n'
    )
    with served_site(tmp_path / "site", settings) as site:
        given = {"endpoint": endpoint(site), "file": film, "headers": {"X-API-Key": site.key}}
        stopped = node_client(**given, chunkSize=6 * MIB, abortAt=13 * MIB)
        assert stopped.get("aborted"), stopped
        site.kill()
        site.start()
        reached = offset(site, stopped["url"])
        assert 6 * MIB <= reached < film.stat().st_size
        break_off(site, stopped["url"], film.read_bytes(), reached + 12345)
        said = node_client(**given, previous=stopped["url"])
        assert said.get("done"), said
        whole(site, said["videoId"], film.read_bytes())
        parallel = node_client(**given, parallelUploads=2)
        assert parallel.get("done"), parallel
        whole(site, site.client.head(parallel["url"], headers=TUS).headers["Video-Id"], film.read_bytes())


def test_what_is_spoken_is_told(site: ServedSite) -> None:
    told = httpx.options(endpoint(site))
    assert told.status_code == 204
    assert told.headers["Tus-Version"] == "1.0.0" and told.headers["Tus-Max-Size"] == str(30 << 30)
    extensions = set(told.headers["Tus-Extension"].split(","))
    assert extensions == {"creation", "creation-with-upload", "checksum", "expiration", "termination", "concatenation"}
    assert told.headers["Tus-Checksum-Algorithm"] == "sha1,sha256,md5"
    assert httpx.options(f"{endpoint(site)}/upNone").headers["Tus-Version"] == "1.0.0"
    exposed = told.headers["access-control-expose-headers"]
    assert all(name in exposed for name in ("Upload-Offset", "Location", "Video-Id", "Tus-Resumable"))


def test_one_request_carries_it_all(site: ServedSite, film: Path) -> None:
    content = film.read_bytes()
    answer = create(site, len(content), headers=BYTES | metadata(filename="a.mp4"), content=content)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, str(len(content))), answer.text
    assert answer.json()["videoId"] == answer.headers["Video-Id"]
    again = append(site, answer.headers["Location"], b"", len(content))
    assert (again.status_code, again.headers["Upload-Offset"]) == (204, str(len(content)))
    whole(site, answer.headers["Video-Id"], content)


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"x" * 100, {"Upload-Checksum": "sha1 " + base64.b64encode(bytes(20)).decode()}, 460),
        (b"x" * 100, {"Upload-Checksum": "crc32 AAAA"}, 400),
        (b"x" * 101, {}, 413),
        (b"x" * 100, {}, 400),
        (b"x" * 100, {"Upload-Concat": "partial", "Upload-Checksum": "md5 AAAA"}, 460),
    ],
)
def test_what_is_refused_with_its_creation_leaves_nothing(
    site: ServedSite, content: bytes, headers: dict[str, str], status: int
) -> None:
    before = site.client.get("/videos").json()["pagination"]["itemsTotal"]
    uploads = len(list((site.folder / "data" / "media" / "uploads").iterdir()))
    answer = create(site, 100, headers=BYTES | headers, content=content)
    assert (answer.status_code, answer.headers["Tus-Resumable"]) == (status, "1.0.0"), answer.text
    assert site.client.get("/videos").json()["pagination"]["itemsTotal"] == before
    assert len(list((site.folder / "data" / "media" / "uploads").iterdir())) == uploads


def test_a_body_of_unknown_length_is_taken(site: ServedSite, film: Path) -> None:
    content = film.read_bytes()
    url = create(site, len(content)).headers["Location"]
    chunks = (content[start : start + 100_000] for start in range(0, len(content), 100_000))
    answer = site.client.patch(url, content=chunks, headers=TUS | BYTES | {"Upload-Offset": "0"})
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(len(content))), answer.text
    whole(site, answer.headers["Video-Id"], content)


def test_what_came_before_a_break_stays(site: ServedSite, film: Path) -> None:
    content = film.read_bytes()
    url = create(site, len(content)).headers["Location"]
    connection = begun(site, url, 0, content[: 10 * MIB], missing=len(content) - 10 * MIB)
    deadline = time.monotonic() + 60
    while offset(site, url) != 8 * MIB and time.monotonic() < deadline:
        time.sleep(0.05)
    # The first request still lives, for all that the server knows; the second one is right all the same.
    assert append(site, url, content[8 * MIB : 9 * MIB], 8 * MIB).status_code == 204
    connection.close()
    assert offset(site, url) == 9 * MIB
    answer = append(site, url, content[9 * MIB :], 9 * MIB)
    assert answer.status_code == 204, answer.text
    whole(site, answer.headers["Video-Id"], content)
    assert not [
        found for found in (site.folder / "data" / "media").rglob("tail.*") if answer.headers["Video-Id"] in str(found)
    ]


def test_a_network_that_breaks_all_the_time_gets_an_upload_done(site: ServedSite, film: Path) -> None:
    content = film.read_bytes()
    url = create(site, len(content)).headers["Location"]
    for number, stop in enumerate((1, 3 * MIB, 6 * MIB + 5, 7 * MIB, 14 * MIB, 17 * MIB)):
        break_off(site, url, content, stop, missing=None if number == 3 else 1)
    answer = append(site, url, content[17 * MIB :], 17 * MIB)
    assert answer.status_code == 204, answer.text
    whole(site, answer.headers["Video-Id"], content)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
def test_bytes_that_were_changed_on_the_way_do_not_count(site: ServedSite, film: Path, algorithm: str) -> None:
    content = film.read_bytes()
    url = create(site, len(content)).headers["Location"]
    for start, stop in ((0, 9 * MIB), (9 * MIB, 10 * MIB), (10 * MIB, len(content))):
        good = content[start:stop]
        told = f"{algorithm} {base64.b64encode(hashlib.new(algorithm, good).digest()).decode()}"
        wrong = append(site, url, b"\0" + good[1:-1] + b"\0", start, **{"Upload-Checksum": told})
        assert (wrong.status_code, offset(site, url)) == (460, start)
        assert append(site, url, good, start, **{"Upload-Checksum": told}).status_code == 204
    whole(site, site.client.head(url, headers=TUS).headers["Video-Id"], content)


def test_an_upload_tells_when_it_ends_and_can_be_given_up(site: ServedSite) -> None:
    answer = create(site, 10 * MIB, headers=metadata(videoId="", filename="x.mp4"))
    video, url = answer.headers["Video-Id"], answer.headers["Location"]
    expires = parsedate_to_datetime(answer.headers["Upload-Expires"]).timestamp()
    assert expires == pytest.approx(time.time() + 7 * 86400, abs=30)
    sandbox = {"Authorization": f"Bearer {site.new_key(environment='sandbox')}"}
    soon = parsedate_to_datetime(create(site, 100, headers=sandbox).headers["Upload-Expires"]).timestamp()
    assert soon == pytest.approx(time.time() + 86400, abs=30)
    told = append(site, url, b"x" * 1000, 0)
    assert (told.headers["Upload-Offset"], told.headers["Upload-Expires"]) == ("1000", answer.headers["Upload-Expires"])
    assert site.status(video)["ingest"]["receivedBytes"] == [{"from": 0, "to": 999, "total": 10 * MIB}]
    found = site.client.head(url, headers=TUS)
    assert (found.headers["Upload-Metadata"], found.headers["Cache-Control"]) == ("videoId ,filename eC5tcDQ=", "no-store")
    masked = site.client.post(url, headers=TUS | {"X-HTTP-Method-Override": "HEAD"})
    assert (masked.status_code, masked.headers["Upload-Offset"]) == (204, "1000")
    over = site.client.post(url, headers=TUS | {"X-HTTP-Method-Override": "DELETE"})
    assert (over.status_code, site.client.head(url, headers=TUS).status_code) == (204, 404)
    assert site.client.get(f"/videos/{video}").status_code == 404
    assert site.client.delete(url, headers=TUS).status_code == 404
    own = site.new_video()
    url = create(site, 10 * MIB, headers=metadata(videoId=own)).headers["Location"]
    assert site.client.delete(url, headers=TUS).status_code == 204
    assert "ingest" not in site.status(own)


@pytest.mark.parametrize(
    ("headers", "status", "name"),
    [
        ({"Tus-Resumable": "0.2.2"}, 412, "Tus-Resumable"),
        ({"Upload-Length": "-1"}, 400, "upload-length"),
        ({"Upload-Length": "1e9"}, 400, "upload-length"),
        ({"Upload-Length": str(31 << 30)}, 413, "upload-length"),
        ({"Upload-Length": "0"}, 400, "Upload-Length"),
        ({"Upload-Defer-Length": "1"}, 400, "Upload-Defer-Length"),
        ({"Upload-Metadata": "filename !"}, 400, "Upload-Metadata"),
        ({"Upload-Metadata": "filename ü".encode()}, 400, "Upload-Metadata"),
        ({"Upload-Metadata": "videoId dmlOb3RoaW5n"}, 404, "videoId"),
        ({"Upload-Metadata": "x " + "A" * 8200}, 400, "Upload-Metadata"),
        ({"Upload-Concat": "both"}, 400, "Upload-Concat"),
        ({"Upload-Concat": "final;"}, 400, "Upload-Concat"),
        ({"Upload-Concat": "final;/uploads/tus/upNone"}, 400, "Upload-Concat"),
        ({"Upload-Concat": "final;http://[x"}, 400, "Upload-Concat"),
        ({"Authorization": "Bearer rk_live_wrong"}, 401, None),
    ],
)
def test_an_upload_that_cannot_be_begun(site: ServedSite, headers: dict[str, Any], status: int, name: str | None) -> None:
    before = site.client.get("/videos").json()["pagination"]["itemsTotal"]
    answer = create(site, 100, headers=headers)
    assert answer.status_code == status, answer.text
    assert (answer.json().get("name"), answer.headers["Tus-Resumable"]) == (name, "1.0.0")
    assert site.client.get("/videos").json()["pagination"]["itemsTotal"] == before


def test_bytes_that_cannot_be_taken(site: ServedSite) -> None:
    url = create(site, 10 * MIB).headers["Location"]
    assert append(site, url, b"x", 5).status_code == 409
    assert append(site, url, b"x", 11 * MIB).status_code == 409
    assert site.client.get(url).headers["Tus-Resumable"] == "1.0.0"
    assert append(site, url, b"x" * (10 * MIB + 1), 0).status_code == 413
    assert append(site, url, b"x", 0, **{"Content-Type": "video/mp4"}).status_code == 415
    assert append(site, url, b"x", 0, **{"Tus-Resumable": "2"}).status_code == 412
    assert append(site, url, b"x", 0, **{"Upload-Checksum": "crc32 AAAA"}).status_code == 400
    assert site.client.patch(url, content=b"x", headers=TUS | BYTES).status_code == 400
    assert append(site, "/uploads/tus/upNone", b"x", 0).status_code == 404
    sandbox = {"Authorization": f"Bearer {site.new_key(environment='sandbox')}"}
    assert append(site, url, b"x", 0, **sandbox).status_code == 404
    assert httpx.head(f"{site.url}{url}", headers=TUS).status_code == 401
    assert offset(site, url) == 0
    assert append(site, url, b"x" * 10 * MIB, 0).status_code == 400
    again = site.client.head(url, headers=TUS)
    assert again.status_code == 200, "what was refused as a film is told by the video's status"


def test_only_complete_partial_uploads_are_concatenated(site: ServedSite, sample_h264: Path) -> None:
    content = sample_h264.read_bytes()
    half = create(site, len(content), headers={"Upload-Concat": "partial"})
    assert (half.status_code, "Video-Id" in half.headers) == (201, False)
    plain = create(site, 100).headers["Location"]
    whole_one = create(site, 100, headers=BYTES | {"Upload-Concat": "partial"}, content=b"x" * 100).headers["Location"]
    for urls in (half.headers["Location"], plain, f"{half.headers['Location']} {plain}", f"{whole_one} {whole_one}"):
        answer = site.client.post("/uploads/tus", headers=TUS | {"Upload-Concat": f"final;{urls}"})
        assert answer.status_code == 400, answer.text
    assert append(site, half.headers["Location"], content, 0).status_code == 204
    stranger = {"Authorization": f"Bearer {site.new_key(environment='sandbox')}"}
    stolen = {"Upload-Concat": f"final;{half.headers['Location']}"} | stranger
    assert site.client.post("/uploads/tus", headers=TUS | stolen).status_code == 400
    final = site.client.post("/uploads/tus", headers=TUS | {"Upload-Concat": f"final;{half.headers['Location']}"})
    assert final.status_code == 201
    assert append(site, final.headers["Location"], b"x", 0).status_code == 403
    told = site.client.head(final.headers["Location"], headers=TUS)
    assert (told.headers["Upload-Length"], told.headers["Upload-Offset"]) == (str(len(content)),) * 2
    assert site.client.head(half.headers["Location"], headers=TUS).status_code == 404


def test_bytes_of_a_video_that_was_deleted_are_not_acknowledged(site: ServedSite, film: Path) -> None:
    content = film.read_bytes()
    answer = create(site, len(content))
    url, video = answer.headers["Location"], answer.headers["Video-Id"]
    with begun(site, url, 0, content[: 6 * MIB], missing=len(content) - 6 * MIB) as connection:
        time.sleep(0.2)
        assert site.client.delete(f"/videos/{video}").status_code == 204
        connection.sendall(content[6 * MIB :])
        assert connection.recv(100).startswith(b"HTTP/1.1 404")
    assert site.client.head(url, headers=TUS).status_code == 404
    assert append(site, url, content, 0).status_code == 404


def test_a_video_takes_one_upload(site: ServedSite, film: Path) -> None:
    video = site.new_video()
    url = create(site, 10 * MIB, headers=metadata(videoId=video)).headers["Location"]
    assert append(site, url, b"x" * 100, 0).status_code == 204
    assert create(site, 10 * MIB, headers=metadata(videoId=video)).status_code == 400
    refused = site.upload(video, film).json()
    assert refused["type"].endswith("video-content-range-already-initiated")
