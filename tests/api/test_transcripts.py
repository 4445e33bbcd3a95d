"""Captions that a plugin writes from the sound of a video: by creation, by change, for summaries; and who is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from reelkit.testing.served import ServedSite, served_site
from reelkit.testing.servers import PostgresServer

PLUGIN = """
import asyncio, json, wave
import reelkit
from reelkit.interfaces.captioner import WrittenCaptions
from reelkit.interfaces.summarizer import Unprocessable, WrittenSummary

tried = set()
NONSENSE = {
    "no text": WrittenCaptions(vtt="no captions", language="en"),
    "no language": WrittenCaptions(vtt="WEBVTT", language="xx-nowhere"),
    "bytes": WrittenCaptions(vtt=b"WEBVTT", language="en"),
    "nothing": None,
}

class Listener:
    async def caption(self, request):
        with wave.open(str(request.sound)) as sound:
            shape = (sound.getnchannels(), sound.getsampwidth(), sound.getframerate())
            seconds = sound.getnframes() / sound.getframerate()
            loudest = max(memoryview(sound.readframes(16_000)).cast("h"))
        assert shape == (1, 2, 16_000) and abs(seconds - request.duration) < 0.2 and loudest > 1000
        if "mute" in request.title:
            raise Unprocessable("Nobody speaks.")
        if "flaky" in request.title and request.title not in tried:
            tried.add(request.title)
            raise RuntimeError("not now")  # the job tries again
        if request.title in NONSENSE:
            return NONSENSE[request.title]
        language = request.language or "pt-br"
        return WrittenCaptions(vtt=f"WEBVTT\\n\\n00:00.000 --> 00:01.000\\n{language} " + "word " * 60, language=language)

@reelkit.hookimpl
def register_captioner():
    return Listener()

def mark(word):
    with open(__file__ + ".marks", "a") as file:
        file.write(word + "\\n")

class Writer:
    async def summarize(self, request):
        if request.title == "endless":
            mark("begun")
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                mark("cancelled")
                raise
        return WrittenSummary(abstract=request.text[:8])

@reelkit.hookimpl
def register_summarizer():
    return Writer()

@reelkit.hookimpl
def on_event(event):
    if type(event).__name__ == "CaptionGenerated":
        with open(__file__ + ".events", "a") as file:
            file.write(json.dumps([event.video_id, event.caption_id[:8], event.language, event.generation_mode]) + "\\n")
"""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def listening(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A site with a plugin that writes captions."""
    environment = {}
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        migrated = request.getfixturevalue("migrated_postgres")
        server.psql(f"CREATE DATABASE listening TEMPLATE {migrated}")
        environment["REELKIT_DATABASE__URL"] = server.url("listening")
    with served_site(tmp_path_factory.mktemp("listening"), environment=environment, plugins={"listener": PLUGIN}) as site:
        yield site


@pytest.fixture(scope="module")
def speech(sample: Callable[..., Path]) -> bytes:
    return sample(duration=2.0, width=64, height=48).read_bytes()


def create(site: ServedSite, film: bytes | None, title: str = "t", **fields: Any) -> str:
    answer = site.client.post("/videos", json={"title": title, **fields})
    assert answer.status_code == 201, answer.text
    video = str(answer.json()["videoId"])
    if film is not None:
        sent = site.client.post(f"/videos/{video}/source", files={"file": ("a.mp4", film)})
        assert sent.status_code == 201, sent.text
    return video


def ended(site: ServedSite, video: str, timeout: float = 120) -> dict[str, Any]:
    """Wait until nothing more will happen to the captions that are wanted and return how they stand."""
    deadline = time.monotonic() + timeout
    while True:
        found: dict[str, Any] = site.client.get(f"/videos/{video}/status").json()["transcript"]
        if found["status"] != "waiting" or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def words(site: ServedSite, video: str, language: str) -> str:
    caption = site.client.get(f"/videos/{video}/captions/{language}").json()
    assert caption["default"] is False
    for _ in range(600):  # what viewers are served may be a few seconds old
        if (served := site.client.get(caption["src"])).status_code == 200:
            break
        time.sleep(0.1)
    return str(served.text.split("\n")[3].split()[0])


def abstract(site: ServedSite, video: str, timeout: float = 20) -> str:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        (summary,) = site.client.get(f"/summaries?videoId={video}").json()["data"] or [{"sourceStatus": "waiting"}]
        if summary["sourceStatus"] == "completed":
            return str(site.client.get(f"/summaries/{summary['summaryId']}/source").json()["abstract"])
        time.sleep(0.1)
    return str(summary)


def test_what_is_said_becomes_captions_and_a_summary(listening: ServedSite, speech: bytes) -> None:
    video = create(listening, None, transcript=True, transcriptSummary=True, transcriptSummaryAttributes=["abstract"])
    assert listening.client.get(f"/videos/{video}/status").json()["transcript"] == {"status": "waiting"}
    listening.client.post(f"/videos/{video}/source", files={"file": ("a.mp4", speech)})

    assert ended(listening, video) == {"status": "completed", "language": "pt-BR"}
    assert words(listening, video, "pt-BR") == "pt-br"
    assert abstract(listening, video) == "pt-br wo"
    shown = listening.client.get(f"/videos/{video}").json()
    assert (shown["language"], shown["languageOrigin"]) == ("pt", "auto")
    events = (listening.folder / "plugins" / "listener.py.events").read_text()
    assert f'["{video}", "caption_", "pt-BR", "transcript"]' in events

    assert listening.client.patch(f"/videos/{video}", json={"language": "fr"}).status_code == 200
    assert ended(listening, video) == {"status": "completed", "language": "fr"}
    assert words(listening, video, "fr") == "fr"
    # Asked for anew, what was written before is replaced.
    assert listening.client.patch(f"/videos/{video}", json={"transcript": True}).status_code == 200
    assert ended(listening, video) == {"status": "completed", "language": "fr"}


def test_an_automatic_summary_has_captions_written_first(listening: ServedSite, speech: bytes) -> None:
    video = create(listening, speech, "flaky", language="de")
    assert listening.client.post("/summaries", json={"videoId": video, "origin": "auto"}).status_code == 201
    assert abstract(listening, video) == "de word "
    assert ended(listening, video) == {"status": "completed", "language": "de"}


def test_a_summary_that_is_deleted_is_written_no_more(listening: ServedSite, speech: bytes) -> None:
    video = create(listening, speech, "endless", transcript=True, transcriptSummary=True)
    marks = listening.folder / "plugins" / "listener.py.marks"

    def marked(word: str) -> bool:
        deadline = time.monotonic() + 30
        while not (marks.exists() and word in marks.read_text()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return word in marks.read_text()

    assert marked("begun")
    (summary,) = listening.client.get(f"/summaries?videoId={video}").json()["data"]
    assert listening.client.delete(f"/summaries/{summary['summaryId']}").status_code == 204
    assert marked("cancelled")


def test_uploaded_captions_are_not_replaced(listening: ServedSite, speech: bytes) -> None:
    video = create(listening, speech, language="en")
    kept = "WEBVTT\n\n00:00.000 --> 00:01.000\nmine\n"
    listening.client.post(f"/videos/{video}/captions/en", files={"f": ("a.vtt", kept)})
    listening.client.patch(f"/videos/{video}", json={"transcript": True})
    assert ended(listening, video)["status"] == "unprocessable"
    assert words(listening, video, "en") == "mine"


def test_what_cannot_be_written_says_why(listening: ServedSite, speech: bytes) -> None:
    video = create(listening, speech, "mute", transcript=True)
    found = ended(listening, video)
    assert (found["status"], found["error"]["detail"]) == ("unprocessable", "Nobody speaks.")
    assert listening.client.get(f"/videos/{video}/captions").json()["data"] == []


@pytest.mark.parametrize(
    ("title", "said"),
    [("no text", "'no captions'"), ("no language", "'xx-nowhere'"), ("bytes", "`bytes`"), ("nothing", "NoneType")],
)
def test_what_is_no_captions_fails_at_once(listening: ServedSite, speech: bytes, title: str, said: str) -> None:
    found = ended(listening, create(listening, speech, title, transcript=True), timeout=15)
    assert found["status"] == "failed"
    assert "The plugin listener: caption" in found["error"]["detail"] and said in found["error"]["detail"]


def test_a_video_without_sound_has_no_captions(listening: ServedSite, sample: Callable[..., Path]) -> None:
    silent = sample(duration=1.0, width=64, height=48, audio=None).read_bytes()
    found = ended(listening, create(listening, silent, transcript=True))
    assert (found["status"], found["error"]["detail"]) == ("unprocessable", "The video has no sound.")


def test_without_a_plugin_that_writes_them_videos_are_taken_as_always(site: ServedSite, speech: bytes) -> None:
    video = create(site, speech, transcript=True)
    found = ended(site, video)
    assert (found["status"], found["error"]["detail"]) == ("failed", "This site has no plugin that writes captions.")
    assert "transcript" not in site.client.get(f"/videos/{create(site, None)}/status").json()
    taken_back = create(site, None, transcript=True)
    assert site.client.patch(f"/videos/{taken_back}", json={"transcript": False}).status_code == 200
    assert "transcript" not in site.client.get(f"/videos/{taken_back}/status").json()
