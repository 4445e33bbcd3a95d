"""`reelkit upload`: a file to a running site, with a progress bar, until it plays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from reelkit.cli.failure import CommandFailed
from reelkit.cli.options import JsonOption, print_json
from reelkit.cli.sending import Sender, Sent

__all__ = ["upload"]

UrlOption = Annotated[str, Parameter(env_var="REELKIT_URL", help="Where the site is reached.")]
KeyOption = Annotated[
    str | None, Parameter(env_var="REELKIT_KEY", help="An API key: reelkit keys create --site DIR --name NAME")
]


class Uploaded(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of it. Seconds: upload_s until the last byte was sent; the others from then on."""

    video_id: str
    watch_url: str
    hls: str
    iframe: str
    size: int
    upload_s: float
    playable_s: float | None = None
    first_segment_s: float | None = None


async def upload(
    file: Annotated[Path, Parameter(name="FILE", help="The video.")],
    /,
    *,
    url: UrlOption = "http://127.0.0.1:8000",
    key: KeyOption = None,
    title: Annotated[str | None, Parameter(help="The video's title; by default the file's name.")] = None,
    video: Annotated[
        str | None, Parameter(help="Send the file to this video, e.g. one whose upload was interrupted.")
    ] = None,
    wait: Annotated[bool, Parameter(negative="--no-wait", help="Wait until it plays.")] = True,
    json: JsonOption = False,
) -> None:
    """Upload a video and wait until it plays.

    When the connection breaks, or the site is restarted, only what has not
    arrived is sent again, five times at most; files up to 64 MiB go in one
    request. An upload that was stopped goes on with --video. Examples:

        reelkit upload film.mp4 --key rk_live_…
        REELKIT_KEY=rk_live_… reelkit upload film.mp4 --url https://video.example.org --title "A film"
        reelkit upload film.mp4 --video vi4k0jvEUuaTdRAEjQ4Jfrgz
    """
    if not key:
        raise CommandFailed("an upload needs an API key: --key KEY, or $REELKIT_KEY. Make one with: reelkit keys create")
    try:
        size = file.stat().st_size
    except OSError as error:
        raise CommandFailed(f"{file}: {error.strerror}") from None
    if not file.is_file():
        raise CommandFailed(f"{file} is no file")
    if size == 0:
        raise CommandFailed(f"{file} is empty")
    async with Sender(url.rstrip("/"), key) as sender:
        sent = await sender.send(file, size, title or file.stem, video)
        playable, first_segment = await sender.played(sent) if wait else (None, None)
    _show(sent, playable, first_segment, json)


def _show(sent: Sent, playable: float | None, first_segment: float | None, json: bool) -> None:
    done = Uploaded(
        video_id=sent.video.video_id,
        watch_url=sent.video.assets.player,
        hls=sent.video.assets.hls,
        iframe=sent.video.assets.iframe,
        size=sent.size,
        upload_s=round(sent.seconds, 3),
        playable_s=None if playable is None else round(playable, 3),
        first_segment_s=None if first_segment is None else round(first_segment, 3),
    )
    if json:
        print_json(done)
        return
    lines = [done.watch_url]
    if done.playable_s is not None:
        lines.append(f"Playable {done.playable_s:.2f} s after the last byte.")
    print(os.linesep.join(lines))  # noqa: T201 - what a command is for
