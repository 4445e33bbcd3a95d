"""Summaries over HTTP: written by their owner, or by a plugin from the captions; one of each video."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from reelkit.testing.served import ServedSite, served_site

from tests.api.test_videos import ATOM, problem

PLUGIN = """
import reelkit
from reelkit.interfaces.summarizer import Unprocessable, WrittenSummary

NONSENSE = {
    "nothing": None,
    "numbers": WrittenSummary(abstract=5),
    "letters": WrittenSummary(takeaways="abc"),
    "nul": WrittenSummary(abstract="a\\0"),
}

class Shortener:
    tries = 0

    async def summarize(self, request):
        if "gibberish" in request.text:
            raise Unprocessable("It makes no sense.")
        for word, nonsense in NONSENSE.items():
            if word in request.text:
                return nonsense
        Shortener.tries += 1
        if "stubborn" in request.text or Shortener.tries == 1:
            raise RuntimeError("not now")  # the job tries again
        words = request.text.split()
        return WrittenSummary(abstract=f"{request.title}: {words[0]} ({request.language})", takeaways=tuple("abcd"))

@reelkit.hookimpl
def register_summarizer():
    return Shortener()

seen = []

@reelkit.hookimpl
def on_event(event):
    if type(event).__name__ == "SummaryGenerated":
        with open(__file__ + ".events", "a") as file:
            file.write(event.summary_id + "\\n")

class Rude(reelkit.Problem):
    slug, status, title = "rude", 400, "That is rude."

@reelkit.hookimpl
def before_change(change):
    if change.resource == "caption" and change.after and "damn" in change.after["text"]:
        return {"text": change.after["text"].replace("damn", "****")}
    if change.resource == "summary" and change.action == "update" and change.after.get("abstract") == "rude":
        raise Rude(name="abstract")

@reelkit.hookimpl
def after_change(change):
    with open(__file__ + ".changes", "a") as file:
        file.write(f"{change.resource} {change.action}\\n")
"""


@pytest.fixture(scope="module")
def writing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A site with a plugin that writes summaries."""
    with served_site(tmp_path_factory.mktemp("writing"), plugins={"shortener": PLUGIN}) as site:
        yield site


def captioned(site: ServedSite, words: str) -> str:
    video = site.new_video("Title")
    vtt = f"WEBVTT\n\nNOTE 00:00\n\n1\n00:00.000 --> 00:09.000 line:0\n<v Ann>{words}</v>\n"
    assert site.client.post(f"/videos/{video}/captions/en", files={"f": ("a.vtt", vtt)}).status_code == 200
    return video


def ended(site: ServedSite, summary: str, timeout: float = 120) -> str:
    """Wait until nothing more will happen to a summary and return how it stands."""
    deadline = time.monotonic() + timeout
    while True:
        (found,) = [s for s in site.client.get("/summaries?pageSize=100").json()["data"] if s["summaryId"] == summary]
        if found["sourceStatus"] != "waiting" or time.monotonic() > deadline:
            return str(found["sourceStatus"])
        time.sleep(0.1)


def test_a_summary_is_written_by_hand(site: ServedSite) -> None:
    video = site.new_video()
    answer = site.client.post("/summaries", json={"videoId": video})

    assert answer.status_code == 201, answer.text
    summary = answer.json()
    id = summary["summaryId"]
    assert re.fullmatch(r"summary_[0-9A-Za-z]{22}", id)
    assert (summary["videoId"], summary["origin"], summary["sourceStatus"]) == (video, "api", "missing")
    assert ATOM.fullmatch(summary["createdAt"]) and ATOM.fullmatch(summary["updatedAt"])
    problem(site.client.get(f"/summaries/{id}/source"), 404, "resource-not-found")

    text = {"abstract": "Ça va", "takeaways": ["a", "b", "c"]}
    written = site.client.patch(f"/summaries/{id}/source", json=text)
    assert (written.status_code, written.json()) == (201, text)
    assert site.client.get(f"/summaries/{id}/source").json() == text
    assert site.client.patch(f"/summaries/{id}/source", json={"takeaways": ["d"]}).json() == {**text, "takeaways": ["d"]}
    listed = site.client.get(f"/summaries?videoId={video}&origin=api&sourceStatus=completed").json()
    assert [one["summaryId"] for one in listed["data"]] == [id]

    again = problem(site.client.post("/summaries", json={"videoId": video}), 409, "summary-already-exists")
    assert again["title"] == "A summary already exists or is being created on this video." and again["detail"]
    problem(site.client.patch(f"/videos/{video}", json={"transcriptSummary": True}), 409, "summary-already-exists")
    assert site.client.delete(f"/summaries/{id}").status_code == 204
    assert problem(site.client.delete(f"/summaries/{id}"), 404, "resource-not-found")["name"] == "summaryId"
    assert site.client.post("/summaries", json={"videoId": video}).status_code == 201


@pytest.mark.parametrize(
    ("body", "slug", "name"),
    [
        ({}, "attribute-required", "videoId"),
        ({"videoId": "viNobody"}, "invalid-attribute", "videoId"),
        ({"videoId": "VIDEO", "origin": "human"}, "invalid-attribute", "origin"),
        ({"videoId": "VIDEO", "attributes": ["poem"]}, "invalid-attribute", "attributes[0]"),
    ],
)
def test_a_summary_that_makes_no_sense_is_refused(site: ServedSite, body: dict[str, Any], slug: str, name: str) -> None:
    if body.get("videoId") == "VIDEO":
        body = {**body, "videoId": site.new_video()}
    assert problem(site.client.post("/summaries", json=body), 400, slug)["name"] == name


def test_a_text_that_is_too_long_is_refused(site: ServedSite) -> None:
    id = site.client.post("/summaries", json={"videoId": site.new_video()}).json()["summaryId"]
    for body, name in (
        ({"takeaways": ["a", "b", "c", "d"]}, "takeaways"),
        ({"takeaways": ["a", "x" * 3000]}, "takeaways[1]"),
        ({"abstract": "x" * 30_000}, "abstract"),
        ({"abstract": 5}, "abstract"),
    ):
        answer = site.client.patch(f"/summaries/{id}/source", json=body)
        assert problem(answer, 400, "invalid-attribute")["name"] == name
    problem(site.client.get(f"/summaries/{id}/source"), 404, "resource-not-found")


def test_without_a_plugin_that_writes_them_automatic_summaries_fail(site: ServedSite) -> None:
    answer = site.client.post("/summaries", json={"videoId": site.new_video(), "origin": "auto"})
    assert (answer.status_code, answer.json()["sourceStatus"]) == (201, "waiting")
    assert ended(site, answer.json()["summaryId"]) == "failed"


def test_a_plugin_writes_a_summary_from_the_captions(writing: ServedSite) -> None:
    video = captioned(writing, "Hello &amp; welcome " * 30)

    summary = writing.client.post("/summaries", json={"videoId": video, "origin": "auto"}).json()

    problem(writing.client.patch(f"/summaries/{summary['summaryId']}/source", json={}), 409, "summary-already-exists")
    assert ended(writing, summary["summaryId"]) == "completed"
    source = writing.client.get(f"/summaries/{summary['summaryId']}/source").json()
    assert source == {"abstract": "Title: Hello (en)", "takeaways": ["a", "b", "c"]}
    events = writing.folder / "plugins" / "shortener.py.events"
    assert events.read_text().split() == [summary["summaryId"]]


@pytest.mark.parametrize("word", ["nothing", "numbers", "letters", "nul"])
def test_what_is_no_summary_fails_at_once(writing: ServedSite, word: str) -> None:
    video = captioned(writing, f"{word} " * 60)
    summary = writing.client.post("/summaries", json={"videoId": video, "origin": "auto"}).json()
    assert ended(writing, summary["summaryId"], timeout=15) == "failed"


@pytest.mark.parametrize("words", ["", "too few words", "gibberish " * 60])
def test_what_nothing_can_be_written_about_is_unprocessable(writing: ServedSite, words: str) -> None:
    video = captioned(writing, words) if words else writing.new_video()
    summary = writing.client.post("/summaries", json={"videoId": video, "origin": "auto"}).json()
    assert ended(writing, summary["summaryId"]) == "unprocessable"
    problem(writing.client.get(f"/summaries/{summary['summaryId']}/source"), 404, "resource-not-found")
    # The owner can still write it.
    answer = writing.client.patch(f"/summaries/{summary['summaryId']}/source", json={"abstract": "mine"})
    assert (answer.status_code, answer.json()) == (201, {"abstract": "mine"})


def test_plugins_edit_refuse_and_follow_changes_of_texts(writing: ServedSite) -> None:
    video = captioned(writing, "damn it")
    caption = writing.client.get(f"/videos/{video}/captions/en").json()
    assert "**** it" in writing.client.get(caption["src"]).text
    summary = writing.client.post("/summaries", json={"videoId": video}).json()["summaryId"]
    problem(writing.client.patch(f"/summaries/{summary}/source", json={"abstract": "rude"}), 400, "rude")
    problem(writing.client.get(f"/summaries/{summary}/source"), 404, "resource-not-found")
    theme = writing.client.post("/players", json={}).json()["playerId"]
    for path in (f"/videos/{video}/captions/en", f"/summaries/{summary}", f"/players/{theme}/logo", f"/players/{theme}"):
        assert writing.client.delete(path).status_code == 204

    seen = (writing.folder / "plugins" / "shortener.py.changes").read_text().splitlines()

    for change in ("caption create", "caption delete", "summary create", "summary delete", "player-theme create"):
        assert change in seen
    assert seen[-2:] == ["player-logo delete", "player-theme delete"]
