"""Sending one file to a site over HTTP, and asking until it plays."""

from __future__ import annotations

import asyncio
import shlex
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpx
import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from reelkit.cli.failure import CommandFailed

__all__ = ["Assets", "Sender", "Sent", "Video"]

CHUNK = 1024 * 1024
ATTEMPTS = 6
PART = 64 * 1024**2
"""Bytes of one request; what a broken one brought is sent again. Smaller files go in one request."""
SMALLEST_PART = 5 * 1024**2
"""Bytes of every part but the last: what sites insist on."""
POLL = 0.02
"""Seconds between two looks at whether it plays; doubled each time up to POLL_AT_MOST."""
POLL_AT_MOST = 0.5
STATUS_EVERY = 2.0
"""Seconds between two looks at whether it failed: they count for the rate limit of the key."""


class Assets(msgspec.Struct, frozen=True):
    """Addresses of a video."""

    player: str
    hls: str
    iframe: str


class Video(msgspec.Struct, frozen=True, rename="camel"):
    """What an upload needs of the contract's `video`."""

    video_id: str
    assets: Assets


class Sent(msgspec.Struct, frozen=True):
    """A file whose every byte was sent. seconds: it took; at: when the last byte left, by the monotonic clock."""

    video: Video
    size: int
    seconds: float
    at: float


class ConnectionLost(Exception):
    """The connection broke before an answer came."""


class Refused(CommandFailed):
    """The site understood, and said no."""


class Sender:
    """One conversation with a site. url: without a trailing slash."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            # Writing waits as long as the site takes to store; only a site that says nothing at all is given up.
            timeout=httpx.Timeout(60, read=120, pool=None),
        )
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    async def __aenter__(self) -> Sender:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def send(self, file: Path, size: int, title: str, video_id: str | None = None) -> Sent:
        """Send a file to a video, or to a new one. Raises CommandFailed."""
        video = await self._video(title, video_id)
        start = time.monotonic()
        try:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    arrived = await self._arrived(video, size) if video_id or attempt > 1 else []
                    if arrived == [(0, size)]:
                        _tell("Every byte has arrived already.")
                        return Sent(video, size, (at := time.monotonic()) - start, at)
                    return Sent(video, size, (at := await self._send_missing(file, size, video, arrived)) - start, at)
                except ConnectionLost as lost:
                    if attempt == ATTEMPTS:
                        raise CommandFailed(f"{lost}. {_again(file, video, self._url)}") from None
                    how = "Sending it again from the start" if size <= PART else "Going on with what is missing"
                    _tell(f"{lost}. {how}, {attempt + 1} of {ATTEMPTS}.")
                    await asyncio.sleep(min(2**attempt, 30))
        except (KeyboardInterrupt, asyncio.CancelledError):
            _tell(_again(file, video, self._url))
            raise
        except Refused:
            if video_id is None:  # of a file that is refused, no empty video is to remain
                await self._client.delete(f"/videos/{video.video_id}")
            raise
        raise AssertionError("the last attempt returns or raises")

    async def played(self, sent: Sent) -> tuple[float, float]:
        """Wait until a video plays; return seconds from the last byte to the manifest and to its first segment, read whole.

        Raises CommandFailed with the site's reason when it never will.
        """
        manifest = self._here(sent.video.assets.hls)
        text = await self._poll(manifest, sent.video, lambda _: True)
        playable = time.monotonic() - sent.at
        playlist = urljoin(manifest, next(line for line in text.splitlines() if line and not line.startswith("#")))
        # The playlist of a draft may be there before its first segment.
        text = await self._poll(playlist, sent.video, lambda found: any(not x.startswith("#") for x in found.split()))
        for part in _first_parts(text):
            (await self._get(urljoin(playlist, part))).raise_for_status()
        return playable, time.monotonic() - sent.at

    async def _video(self, title: str, video_id: str | None) -> Video:
        video: Video
        try:
            if video_id is not None:
                found = await self._client.get(f"/videos/{quote(video_id, safe='')}")
                if found.status_code == 404 and "json" in found.headers.get("content-type", ""):
                    raise CommandFailed(f"--video {video_id}: the key's project and environment have no such video")
                video = _read(found, Video)
            else:
                video = _read(await self._client.post("/videos", json={"title": title}), Video)
        except httpx.UnsupportedProtocol:
            raise CommandFailed(f"{self._url} is no site's address. Write it in full: https://video.example.org") from None
        except httpx.TransportError as error:
            raise CommandFailed(f"{self._url} does not answer ({_reason(error)}). Is the site up, and this --url?") from None
        return video

    async def _arrived(self, video: Video, size: int) -> list[tuple[int, int]]:
        """Return what the site has already, as stretches of bytes in order. Raises ConnectionLost, CommandFailed."""
        try:
            answer = _read(await self._client.get(f"/videos/{video.video_id}/status"), dict[str, Any])
        except httpx.TransportError as error:
            raise ConnectionLost(f"The site does not answer ({_reason(error)})") from None
        ingest = answer.get("ingest") or {}
        if ingest.get("error") or not ingest:
            return []
        if ingest.get("filesize") not in (None, size):
            raise CommandFailed(f"{video.video_id} has another file already, of {ingest['filesize']} bytes")
        if ingest.get("status") in ("uploaded", "ingesting", "ingested"):
            return [(0, size)]
        if (ingest.get("receivedParts") or {}).get("parts"):
            raise CommandFailed(f"{video.video_id} is being uploaded in numbered parts: go on with the program that began")
        return [(stretch["from"], stretch["to"] + 1) for stretch in ingest.get("receivedBytes") or ()]

    async def _send_missing(self, file: Path, size: int, video: Video, arrived: list[tuple[int, int]]) -> float:
        """Send every byte that is not there and return when the last one left. Raises ConnectionLost, CommandFailed."""
        with self._progress as progress:
            task = progress.add_task(file.name, total=size, completed=sum(stop - start for start, stop in arrived))
            try:
                if not arrived and size <= PART:
                    return await self._send_part(file, 0, size, size, video, task)
                left_at = 0.0
                for start, stop in missing(arrived, size):
                    left_at = await self._send_part(file, start, stop, size, video, task)
                return left_at
            finally:
                progress.remove_task(task)

    async def _send_part(self, file: Path, start: int, stop: int, size: int, video: Video, task: TaskID) -> float:
        left_at = 0.0

        async def body() -> AsyncIterator[bytes]:
            nonlocal left_at
            with file.open("rb") as source:
                source.seek(start)
                left = stop - start
                while left and (chunk := await asyncio.to_thread(source.read, min(CHUNK, left))):
                    yield chunk
                    left -= len(chunk)
                    self._progress.advance(task, len(chunk))
            left_at = time.monotonic()

        headers = {"Content-Type": "video/mp4", "Content-Length": str(stop - start)}
        if (start, stop) != (0, size):
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        try:
            answer = await self._client.post(
                f"/videos/{video.video_id}/source", params={"filename": file.name}, content=body(), headers=headers
            )
        except httpx.TransportError as error:
            done = int(100 * self._progress.tasks[-1].completed / size)
            raise ConnectionLost(f"The connection broke at {done} % ({_reason(error)})") from None
        if answer.status_code == 503:
            raise ConnectionLost("The site cannot take it now")
        if answer.status_code == 400 and answer.json().get("type", "").endswith("/video-source-already-uploaded"):
            # The site may still hold the broken upload for a moment; what it has is asked for again.
            raise ConnectionLost("The site is still busy with the earlier upload")
        _read(answer, Video)
        return left_at

    async def _poll(self, url: str, video: Video, wanted: Any) -> str:
        pause, looked = POLL, time.monotonic()
        while True:
            answer = await self._get(url)
            if answer.status_code == 200 and wanted(answer.text):
                return answer.text
            if time.monotonic() - looked >= STATUS_EVERY:
                looked = time.monotonic()
                await self._refuse_failed(video)
            await asyncio.sleep(pause)
            pause = min(pause * 2, POLL_AT_MOST)

    async def _refuse_failed(self, video: Video) -> None:
        told = await self._client.get(f"/videos/{video.video_id}/status")
        if told.status_code == 429:
            return  # others use the key too; whether it plays is no question to the key
        answer = _read(told, dict[str, Any])
        for part in (answer.get("ingest") or {}, answer.get("encoding") or {}):
            if failed := part.get("error"):
                raise CommandFailed(f"{video.video_id}: {failed.get('title')} {failed.get('detail') or ''}".strip())

    async def _get(self, url: str) -> httpx.Response:
        try:
            return await self._client.get(url)
        except httpx.TransportError as error:
            raise CommandFailed(f"{url} does not answer ({_reason(error)}). The upload itself is complete.") from None

    def _here(self, url: str) -> str:
        """Return an address of the site as it is reached from here; the site knows itself by its base_url."""
        parts = urlsplit(url)
        return f"{self._url}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def _read(answer: httpx.Response, kind: type[Any]) -> Any:
    if answer.is_success:
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.MsgspecError:
            raise CommandFailed(f"{answer.url} answered something that is no reelkit's. Is it --url?") from None
    try:
        problem = answer.json()
        text = f"{problem['title']} {problem.get('detail') or ''}".strip()
    except (ValueError, KeyError, TypeError):
        behind = answer.status_code in (502, 504)
        asked = "Does the site behind that web server run?" if behind else "Is it --url?"
        text = f"{answer.url} answered {answer.status_code}. {asked}"
    if answer.status_code == 401:
        text = f"The site does not take this key: {text} Make one with: reelkit keys create --site DIR --name NAME"
    raise Refused(text)


def missing(arrived: list[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """Return the parts to send, as stretches of bytes in order: of PART bytes, and none too small for sites if avoidable.

    arrived: stretches that are there, in order.
    """
    parts: list[tuple[int, int]] = []
    at = 0
    for start, stop in [*arrived, (size, size)]:
        while at < start:
            end = start if start - at < PART + SMALLEST_PART else at + PART
            parts.append((at, end))
            at = end
        at = stop
    return parts


def _first_parts(playlist: str) -> list[str]:
    """Return the addresses of a media playlist's init segment, if any, and first segment."""
    lines = playlist.splitlines()
    maps = [line.split('URI="', 1)[1].split('"', 1)[0] for line in lines if line.startswith("#EXT-X-MAP:")]
    return maps[:1] + [line for line in lines if line and not line.startswith("#")][:1]


def _again(file: Path, video: Video, url: str) -> str:
    return f"Go on with: {shlex.join(['reelkit', 'upload', str(file), '--video', video.video_id, '--url', url])}"


def _reason(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__


def _tell(text: str) -> None:
    sys.stderr.write(f"reelkit: {text}\n")
