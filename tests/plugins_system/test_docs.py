"""What docs/plugins.md shows works as it says."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import wave
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import reelkit
from litestar import Litestar
from litestar.testing import TestClient
from reelkit import hookspecs
from reelkit.interfaces.captioner import CaptionRequest, WrittenCaptions
from reelkit.interfaces.change import Change
from reelkit.interfaces.event import VideoPlayable
from reelkit.interfaces.storage import InvalidKey, KeyTaken, NotStored, Storage, StorageError, Stored
from reelkit.interfaces.summarizer import SummaryRequest, Unprocessable
from reelkit.plugins.checking import hook_arguments
from reelkit.site import Network, Site
from reelkit.testing.storage import StorageConformance
from reelkit.testing.streams import MIB, content, joined, stream

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "plugins.md").read_text("utf-8")


def block(title: str) -> str:
    (found,) = re.findall(rf'```\w+ title="{re.escape(title)}"\n(.*?)```', PAGE, re.DOTALL)
    return str(found)


async def test_the_first_plugin_works_as_it_is_shown(folder: Any) -> None:
    folder.plugin("greeting", block("plugins/greeting.py"))
    folder.toml(block("site.toml"))
    plugins = folder.load()
    event = VideoPlayable(project="p", environment="production", video_id="vi1", at=datetime(2026, 1, 1, tzinfo=UTC))
    await plugins.notify("on_event", event=event)
    with TestClient(Litestar([handler for _, handler in plugins.routes()])) as client:
        assert client.get("/greeting").json() == {"word": "Welcome", "playable": ["vi1"]}
    (check,) = plugins.health_checks()
    await check.check()
    assert all(report.errors == 0 for report in plugins.report())


async def test_a_summary_is_written_as_it_is_shown(folder: Any) -> None:
    folder.plugin("first_words", block("plugins/first_words.py"))
    ((_, writer),) = folder.load().answers("register_summarizer")
    asked = SummaryRequest(video_id="vi1", title="t", text="word " * 60, language="en-GB")
    assert (await writer.summarize(asked)).abstract == "word " * 20 + "…"
    with pytest.raises(Unprocessable, match="not fr"):
        await writer.summarize(msgspec.structs.replace(asked, language="fr"))


async def test_the_captioner_of_the_page_writes(folder: Any, tmp_path: Path) -> None:
    folder.plugin("loudness", block("plugins/loudness.py"))
    ((_, writer),) = folder.load().answers("register_captioner")
    with wave.open(str(tmp_path / "s.wav"), "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(b"\x00\x20" * 16_000)
    asked = CaptionRequest(video_id="vi1", title="t", sound=tmp_path / "s.wav", duration=1.0)
    assert await writer.caption(asked) == WrittenCaptions(vtt="WEBVTT\n\n00:00.000 --> 00:01.000\n[loud]\n", language="en")


async def test_the_smallest_storage_keeps_what_it_is_given() -> None:
    shown: dict[str, Any] = {}
    exec(block("plugins/memory.py"), shown)
    storage = shown["register_storage"]().open()
    assert isinstance(storage, Storage)
    data = content(3 * MIB + 1)
    assert await storage.put("p/a", stream(data)) == await storage.stat("p/a") == Stored("p/a", len(data))
    assert await joined(storage.read("p/a", 5, 2 * MIB)) == data[5 : 2 * MIB]
    for refused, key, size in ((KeyTaken, "p/a", None), (InvalidKey, "../a", None), (StorageError, "p/b", 1)):
        with pytest.raises(refused):
            await storage.put(key, stream(data), size)
    await storage.delete("p/a")
    with pytest.raises(NotStored):
        await storage.stat("p/a")
    compile(block("test_memory.py"), "test_memory.py", "exec")
    assert "test_memory_stays_flat_however_long_the_stream" in vars(StorageConformance)


async def test_a_change_is_refused_and_edited_as_it_is_shown() -> None:
    shown: dict[str, Any] = {}
    exec(block("plugins/house_rules.py"), shown)
    change = Change(resource="video", action="create", project="p", environment="production", after={"title": " A film "})
    assert shown["before_change"](change) == {"title": "A film"}
    with pytest.raises(reelkit.Problem) as refused:
        shown["before_change"](msgspec.structs.replace(change, after={"title": "LOUD"}))
    assert (refused.value.status, refused.value.name) == (422, "title")
    assert shown["before_change"](msgspec.structs.replace(change, resource="player", after={"title": "LOUD"})) is None


async def test_another_host_is_asked_as_it_is_shown(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsunny")
        writer.close()

    shown: dict[str, Any] = {}
    exec(block("weather.py"), shown)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(reelkit.OutboundRefused):
            await shown["weather"](Site(folder=tmp_path), url)
        assert await shown["weather"](Site(folder=tmp_path, network=Network(allow_private=("127.0.0.1",))), url) == b"sunny"


def test_the_commands_that_are_shown_run(folder: Any) -> None:
    folder.plugin("greeting", block("plugins/greeting.py"))
    # With reelkit's own parts: the check takes them as a start does.
    (folder.folder / "plugins" / "parts.py").unlink()
    (folder.folder / "site.toml").write_text(block("site.toml"))
    for words in re.findall(r"^\$ reelkit (.*) --site mysite$", PAGE, re.MULTILINE):
        if words == "serve":
            continue
        command = [sys.executable, "-P", "-m", "reelkit", *words.split(), "--site", str(folder.folder)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr + ran.stdout
    assert ran.stdout == "Welcome, Ada, from reelkit\n"


def test_the_table_has_every_hook_and_what_its_failure_does() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| .*? \| (.*) \|$", PAGE, re.MULTILINE)
    assert [name for name, _, _ in rows] == list(hook_arguments())
    for name, gives, fails in rows:
        assert {gives.strip("`"), "site", "settings"} - {""} == set(hook_arguments()[name]), name
        told = (getattr(hookspecs, name).__doc__ or "").partition("Fails: ")[2].rstrip(".")
        assert fails == told
