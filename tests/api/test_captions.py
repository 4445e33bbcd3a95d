"""Captions and chapters over HTTP: taken whatever they hold, named in their own language, served to players."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from reelkit.testing.served import ServedSite

from tests.api.test_videos import problem

VTT = "WEBVTT\n\n00:00.000 --> 00:02.000\nHéllo 🎬\n"


@pytest.fixture
def video(site: ServedSite) -> str:
    return site.new_video("With captions")


def send(
    site: ServedSite, video: str, language: str, data: bytes | str = VTT, *, kind: str = "captions", field: str = "file"
) -> httpx.Response:
    body = data.encode() if isinstance(data, str) else data
    return site.client.post(f"/videos/{video}/{kind}/{language}", files={field: ("some.vtt", body, "text/vtt")})


def test_captions_are_taken_and_read_back(site: ServedSite, video: str) -> None:
    answer = send(site, video, "fr", field="en.vtt")

    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "uri": f"/videos/{video}/captions/fr",
        "src": f"{site.url}/vod/{video}/captions/fr.vtt",
        "srclang": "fr",
        "languageName": "Français",
        "default": False,
    }
    assert site.client.get(f"/videos/{video}/captions/fr").json() == answer.json()
    served = httpx.get(answer.json()["src"])
    assert (served.status_code, served.text) == (200, VTT)
    assert served.headers["content-type"] == "text/vtt; charset=utf-8"
    assert served.headers["x-content-type-options"] == "nosniff"
    assert served.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("tag", "written", "name"),
    [
        ("zh-hans-cn", "zh-Hans-CN", "中文（简体，中国）"),  # noqa: RUF001 - Chinese punctuation
        ("FR-ca", "fr-CA", "Français (Canada)"),
        ("es-419", "es-419", "Español (Latinoamérica)"),
        ("pt-BR", "pt-BR", "Português (Brasil)"),
        ("ar", "ar", "العربية"),
    ],
)
def test_languages_are_named_as_their_speakers_do(site: ServedSite, video: str, tag: str, written: str, name: str) -> None:
    caption = send(site, video, tag).json()
    assert (caption["srclang"], caption["languageName"]) == (written, name)
    assert httpx.get(caption["src"]).status_code == 200


@pytest.mark.parametrize("kind", ["captions", "chapters"])
@pytest.mark.parametrize(
    ("tag", "detail"),
    [
        ("fr_CA", "must contain only letters and dashes"),
        ("fr-é", "must contain only letters and dashes"),
        ("%00", "must contain only letters and dashes"),
        ("x" * 300, "must contain only letters and dashes"),
        ("xx", "is not valid"),
        ("fr-XX-YY-ZZ", "is not valid"),
        ("root", "is not valid"),
    ],
)
def test_a_tag_that_is_no_language_is_refused(site: ServedSite, video: str, kind: str, tag: str, detail: str) -> None:
    found = problem(send(site, video, tag, kind=kind), 400, "invalid-attribute")
    assert (found["name"], detail in found["detail"]) == ("language", True)
    assert site.client.get(f"/videos/{video}/{kind}").json()["pagination"]["itemsTotal"] == 0


def test_a_second_upload_replaces_the_first_and_stays_the_default(site: ServedSite, video: str) -> None:
    send(site, video, "en")
    assert site.client.patch(f"/videos/{video}/captions/en", json={"default": True}).json()["default"] is True

    again = send(site, video, "en", "WEBVTT\n\nNOTE second\n")

    assert again.json()["default"] is True
    assert httpx.get(again.json()["src"]).text == "WEBVTT\n\nNOTE second\n"
    assert site.client.get(f"/videos/{video}/captions").json()["pagination"]["itemsTotal"] == 1


def test_one_of_the_captions_at_most_is_the_default(site: ServedSite, video: str) -> None:
    for tag in ("en", "de", "fr"):
        send(site, video, tag)

    def defaults() -> list[str]:
        data: list[dict[str, Any]] = site.client.get(f"/videos/{video}/captions").json()["data"]
        return [caption["srclang"] for caption in data if caption["default"]]

    assert defaults() == []
    for tag, wanted, then in (("de", True, ["de"]), ("fr", True, ["fr"]), ("de", False, ["fr"]), ("fr", False, [])):
        answer = site.client.patch(f"/videos/{video}/captions/{tag}", json={"default": wanted})
        assert (answer.status_code, answer.json()["default"]) == (200, wanted)
        assert defaults() == then
    assert site.client.patch(f"/videos/{video}/captions/de", json={}).status_code == 200
    problem(site.client.patch(f"/videos/{video}/captions/de", json={"default": "yes"}), 400, "invalid-attribute")
    problem(site.client.patch(f"/videos/{video}/captions/it", json={"default": True}), 404, "resource-not-found")


def test_lists_come_in_pages_by_language(site: ServedSite, video: str) -> None:
    for tag in ("sv", "da", "nb"):
        send(site, video, tag)
    listed = site.client.get(f"/videos/{video}/captions?currentPage=2&pageSize=2").json()
    assert [caption["srclang"] for caption in listed["data"]] == ["sv"]
    assert listed["pagination"]["pagesTotal"] == 2
    assert {link["rel"] for link in listed["pagination"]["links"]} == {"self", "first", "last", "previous"}
    problem(site.client.get(f"/videos/{video}/captions?pageSize=0"), 400, "invalid-query-parameter")


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"no vtt at all", "no vtt at all"),
        (b"\xff\x00bad \xc3\x28", "\ufffd\ufffdbad \ufffd("),
        ("WEBVTT\r\n\r\nÀ\r\n".encode("utf-16"), "WEBVTT\n\nÀ\n"),
        (b"\xef\xbb\xbfWEBVTT\n", "WEBVTT\n"),
        (b"<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_malformed_files_are_taken_and_harmless(site: ServedSite, video: str, data: bytes, read: str) -> None:
    answer = send(site, video, "en", data)
    assert answer.status_code == 200
    served = httpx.get(answer.json()["src"])
    assert served.content.decode("utf-8") == read
    assert served.headers["content-type"] == "text/vtt; charset=utf-8"
    assert "sandbox" in served.headers["content-security-policy"]


def test_bad_uploads_are_told_apart(site: ServedSite, video: str) -> None:
    address = f"/videos/{video}/captions/en"
    problem(send(site, video, "en", b""), 400, "uploaded-file-empty")
    problem(send(site, video, "en", b"x" * (11 << 20)), 400, "uploaded-file-too-large")
    problem(site.client.post(address, data={"a": "b"}), 400, "uploaded-file-no-file")
    two = [("a", ("a.vtt", b"x")), ("b", ("b.vtt", b"x"))]
    problem(site.client.post(address, files=two), 400, "uploaded-file-multiple-files")
    problem(send(site, "viNobodyHasThis", "en"), 404, "resource-not-found")


def test_a_hundred_megabytes_are_refused_before_they_are_sent(site: ServedSite, video: str) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as connection:
        connection.sendall(
            f"POST /videos/{video}/captions/en HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.key}\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000000\r\n\r\n".encode()
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 400")


def test_removed_captions_are_gone_everywhere(site: ServedSite, video: str) -> None:
    source = send(site, video, "en").json()["src"]
    assert httpx.get(source).status_code == 200
    assert site.client.delete(f"/videos/{video}/captions/en").status_code == 204
    problem(site.client.get(f"/videos/{video}/captions/en"), 404, "resource-not-found")
    problem(site.client.delete(f"/videos/{video}/captions/en"), 404, "resource-not-found")
    time.sleep(0.2)  # what a process may remember of a video that has nothing to play
    assert httpx.get(source).status_code == 404


def test_nobody_else_reaches_captions(site: ServedSite, video: str) -> None:
    send(site, video, "en")
    with httpx.Client(base_url=site.url, headers={"X-API-Key": site.new_key(environment="sandbox")}) as stranger:
        for method, path in (("GET", "/en"), ("DELETE", "/en"), ("GET", "")):
            answer = stranger.request(method, f"/videos/{video}/captions{path}")
            assert problem(answer, 404, "resource-not-found")["name"] == "videoId"
        files = {"file": ("x.vtt", b"x")}
        problem(stranger.post(f"/videos/{video}/captions/en", files=files), 404, "resource-not-found")
    assert httpx.get(f"{site.url}/videos/{video}/captions").status_code == 401


def test_chapters_are_taken_listed_and_removed(site: ServedSite, video: str) -> None:
    answer = send(site, video, "en", kind="chapters")
    wanted = {
        "uri": f"/videos/{video}/chapters/en",
        "src": f"{site.url}/vod/{video}/chapters/en.vtt",
        "language": "en",
    }
    assert (answer.status_code, answer.json()) == (200, wanted)
    assert site.client.get(f"/videos/{video}/chapters/en").json() == wanted
    assert site.client.get(f"/videos/{video}/chapters").json()["data"] == [wanted]
    assert httpx.get(wanted["src"]).text == VTT
    assert site.client.patch(f"/videos/{video}/chapters/en", json={}).status_code == 405
    assert site.client.delete(f"/videos/{video}/chapters/en").status_code == 204
    problem(site.client.get(f"/videos/{video}/chapters/en"), 404, "resource-not-found")


def test_every_player_finds_captions_in_the_manifest(site: ServedSite, sample_h264: Path) -> None:
    video = site.new_video("Captioned")
    for tag, data in (("en", VTT), ("fr", VTT), ("de", "no WebVTT")):
        send(site, video, tag, data)
    site.client.patch(f"/videos/{video}/captions/fr", json={"default": True})
    assert site.upload(video, sample_h264).status_code == 201
    site.wait(video, lambda status: status["encoding"]["playable"])

    master = httpx.get(f"{site.url}/vod/{video}/hls/manifest.m3u8").text

    media = [line for line in master.splitlines() if "TYPE=SUBTITLES" in line]
    assert media == [
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="English",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,'
        'URI="captions/en.m3u8"',
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="Français",LANGUAGE="fr",DEFAULT=YES,AUTOSELECT=YES,FORCED=NO,'
        'URI="captions/fr.m3u8"',
    ]
    streams = [line for line in master.splitlines() if line.startswith("#EXT-X-STREAM-INF")]
    assert streams and all('SUBTITLES="text"' in line for line in streams)
    answer = httpx.get(f"{site.url}/vod/{video}/hls/captions/fr.m3u8")
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    lines = answer.text.splitlines()
    length = float(next(line for line in lines if line.startswith("#EXTINF:"))[8:-1])
    assert length == pytest.approx(10, abs=0.2)
    assert lines[-1] == "#EXT-X-ENDLIST"
    segment = urljoin(str(answer.url), next(line for line in lines if not line.startswith("#")))
    assert httpx.get(segment).text == VTT
    assert httpx.get(f"{site.url}/vod/{video}/hls/captions/de.m3u8").status_code == 404
    assert httpx.get(f"{site.url}/vod/{video}/hls/captions/es.m3u8").status_code == 404


def test_captions_of_a_private_video_are_for_its_session_alone(site: ServedSite, sample_h264: Path) -> None:
    video = site.new_video("Private", public=False)
    send(site, video, "en")
    assert site.upload(video, sample_h264).status_code == 201
    site.wait(video, lambda status: status["encoding"]["playable"])
    manifest = site.client.get(f"/videos/{video}").json()["assets"]["hls"]
    assert httpx.get(f"{site.url}/vod/{video}/captions/en.vtt").status_code == 404

    first = httpx.get(manifest)

    assert first.status_code == 200
    (uri,) = re.findall(r'TYPE=SUBTITLES.*URI="([^"]*)"', first.text)
    playlist = httpx.get(urljoin(str(first.url), uri))
    (segment,) = [line for line in playlist.text.splitlines() if not line.startswith("#")]
    assert httpx.get(urljoin(str(playlist.url), segment)).text == VTT
