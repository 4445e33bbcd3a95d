"""Every operation that changes an object asks plugins before and tells them afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reelkit.testing.served import ServedSite, served_site

from tests.api.pictures import png

PLUGIN = """
import json
from pathlib import Path
import reelkit

HERE = Path(__file__).parent

class NotNow(reelkit.Problem):
    slug, status, title = "not-now", 400, "Not now."

@reelkit.hookimpl
def before_change(change):
    if (HERE / "closed").exists():
        raise NotNow(detail=f"{change.resource} {change.action}")

@reelkit.hookimpl
def after_change(change):
    with (HERE / "log").open("a") as log:
        log.write(json.dumps([change.resource, change.action, change.before is not None, change.after is not None]) + "\\n")
"""
VTT = {"file": ("a.vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n")}
PICTURE = {"file": ("a.png", png(64, 36))}
RESTORING = "[videos]\nrestore = true\n"

OPERATIONS: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("POST", "/videos", {"json": {"title": "t"}}, "video create"),
    ("PATCH", "/videos/{video}", {"json": {"title": "new"}}, "video update"),
    ("POST", "/videos/{video}/thumbnail", {"files": PICTURE}, "video update"),
    ("PATCH", "/videos/{video}/thumbnail", {"json": {"timecode": "00:00:01"}}, "video update"),
    ("PUT", "/videos/{video}/playback-policy", {"json": {"domains": ["a.example"]}}, "playback-policy update"),
    ("DELETE", "/videos/{video}/playback-policy", {}, "playback-policy delete"),
    ("POST", "/videos/{video}/captions/en", {"files": VTT}, "caption create"),
    ("POST", "/videos/{video}/captions/en", {"files": VTT}, "caption update"),
    ("PATCH", "/videos/{video}/captions/en", {"json": {"default": True}}, "caption update"),
    ("DELETE", "/videos/{video}/captions/en", {}, "caption delete"),
    ("POST", "/videos/{video}/chapters/en", {"files": VTT}, "chapter create"),
    ("DELETE", "/videos/{video}/chapters/en", {}, "chapter delete"),
    ("POST", "/summaries", {"json": {"videoId": "{video}"}}, "summary create"),
    ("PATCH", "/summaries/{new}/source", {"json": {"abstract": "a"}}, "summary update"),
    ("DELETE", "/summaries/{new}", {}, "summary delete"),
    ("DELETE", "/videos/{video}", {}, "video delete"),
    ("PATCH", "/discarded/videos/{video}", {"json": {"discarded": False}}, "video update"),
    ("POST", "/watermarks", {"files": PICTURE}, "watermark create"),
    ("DELETE", "/watermarks/{new}", {}, "watermark delete"),
    ("POST", "/players", {"json": {"name": "n"}}, "player-theme create"),
    ("PATCH", "/players/{new}", {"json": {"name": "m"}}, "player-theme update"),
    ("POST", "/players/{new}/logo", {"files": PICTURE, "data": {"link": "https://a.example"}}, "player-logo create"),
    ("DELETE", "/players/{new}/logo", {}, "player-logo delete"),
    ("DELETE", "/players/{new}", {}, "player-theme delete"),
    ("POST", "/live-streams", {"json": {"name": "n"}}, "live-stream create"),
    ("PATCH", "/live-streams/{new}", {"json": {"name": "m"}}, "live-stream update"),
    ("POST", "/live-streams/{new}/thumbnail", {"files": PICTURE}, "live-stream update"),
    ("DELETE", "/live-streams/{new}/thumbnail", {}, "live-stream update"),
    ("DELETE", "/live-streams/{new}", {}, "live-stream delete"),
    ("POST", "/webhooks", {"json": {"events": ["video.source.recorded"], "url": "https://a.example"}}, "webhook create"),
    ("DELETE", "/webhooks/{new}", {}, "webhook delete"),
    ("POST", "/upload-tokens", {"json": {}}, "upload-token create"),
    ("POST", "/upload?token={new}", {"files": {"file": ("film.mp4", b"no film")}}, "video create"),
    ("DELETE", "/upload-tokens/{new}", {}, "upload-token delete"),
    ("POST", "/uploads/tus", {"headers": {"Tus-Resumable": "1.0.0", "Upload-Length": "9"}}, "video create"),
)
NAMES_OF_IDS = ("summaryId", "watermarkId", "playerId", "liveStreamId", "webhookId", "token")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A site with a plugin that follows every change, and refuses them while it is closed."""
    with served_site(tmp_path_factory.mktemp("watched"), RESTORING, plugins={"doorkeeper": PLUGIN}) as site:
        yield site


def test_every_change_is_asked_for_and_told(watched: ServedSite) -> None:
    folder: Path = watched.folder / "plugins"
    video, new = watched.new_video(), ""
    for method, path, given, change in OPERATIONS:
        about = f"{method} {path}"
        filled = {**given, **({"json": with_id(given["json"], video)} if "json" in given else {})}
        told_before = lines(folder)

        (folder / "closed").touch()
        refused = watched.client.request(method, path.format(video=video, new=new), **filled)
        assert (refused.status_code, refused.json().get("title")) == (400, "Not now."), (about, refused.text)
        assert refused.json()["detail"] == change, about
        assert lines(folder) == told_before, about

        (folder / "closed").unlink()
        answer = watched.client.request(method, path.format(video=video, new=new), **filled)
        # What is no film leaves no video, but there was one for a moment.
        assert answer.is_success or path.startswith("/upload?"), (about, answer.text)
        resource, action = change.split()
        told = [resource, action, action != "create", action != "delete"]
        assert lines(folder)[len(told_before) :][:1] == [told], about
        if answer.status_code in (200, 201) and action == "create":
            shown = answer.json()
            new = next((shown[name] for name in NAMES_OF_IDS if name in shown), new)


def with_id(body: dict[str, Any], video: str) -> dict[str, Any]:
    return {name: video if value == "{video}" else value for name, value in body.items()}


def lines(folder: Path) -> list[Any]:
    log = folder / "log"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
