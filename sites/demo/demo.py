"""`make demo`: start this site, upload a video through the HTTP API and say where it plays."""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import signal
import socket
import string
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from imageio_ffmpeg import get_ffmpeg_exe
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

HERE = Path(__file__).resolve().parent
LOG = HERE / "data" / "server.log"
REELKIT = [sys.executable, "-m", "reelkit"]
SAMPLE_SECONDS = 60

console = Console(stderr=True)


def free_port(wanted: int) -> int:
    """Return the wanted port, or any free one when it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                console.print(f"Port {port} is taken; using another one.")
                continue
            return int(probe.getsockname()[1])
    raise SystemExit("No port is free on 127.0.0.1.")


@contextmanager
def running_server(url: str, port: int, public_key: str) -> Iterator[subprocess.Popen[bytes]]:
    """Serve the demo site until the block ends; its log goes to a file, where it writes over no progress bar."""
    command = [*REELKIT, "serve", "--site", str(HERE), "--port", str(port)]
    settings = {"REELKIT_SITE__BASE_URL": url, "REELKIT_ACCESS__PUBLIC_API_KEY": public_key}
    with LOG.open("wb") as log:
        server = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
    try:
        yield server
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)


def make_sample(path: Path) -> None:
    """Make 60 s of 1080p H.264/AAC, with a progress bar; an interrupted run leaves no half file under the name."""
    half = path.with_suffix(".part")
    picture = f"testsrc2=size=1920x1080:rate=30:duration={SAMPLE_SECONDS}"
    sound = f"sine=frequency=220:beep_factor=4:duration={SAMPLE_SECONDS}"
    command = [get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y", "-progress", "pipe:1"]
    command += ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-pix_fmt", "yuv420p", "-g", "60"]
    command += ["-c:a", "aac", "-ac", "2", "-movflags", "+faststart", "-f", "mp4", str(half)]
    columns = (TextColumn("Making a 60 s 1080p sample"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        task = bar.add_task("sample", total=SAMPLE_SECONDS * 1_000_000)
        assert run.stdout is not None
        for line in run.stdout:
            if match := re.match(r"out_time_us=(\d+)", line):
                bar.update(task, completed=int(match[1]))
    if run.returncode:
        raise SystemExit("ffmpeg could not make the sample; `reelkit doctor` says what is wrong.")
    half.rename(path)


def wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    """Return when the site answers. Raises SystemExit when the server has ended or takes over 30 s."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit(f"The server ended. It said:\n{LOG.read_text('utf-8', 'replace')[-2000:]}")
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise SystemExit("The server did not get ready within 30 s; `reelkit doctor --site sites/demo` may tell why.")


def reelkit(*arguments: str) -> dict[str, Any]:
    """Run a reelkit command that prints one JSON object. Raises SystemExit with its exit code when it fails."""
    run = subprocess.run([*REELKIT, *arguments], stdout=subprocess.PIPE, check=False)
    if run.returncode:
        raise SystemExit(run.returncode)
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


def main() -> None:
    """Run the demo as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, help="the video to upload; a sample is made when none is named")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--once", action="store_true", help="check playback, print one line of JSON and end")
    options = parser.parse_args()
    if options.video is not None and not options.video.is_file():
        raise SystemExit(f"{options.video} is no file. Name a video: make demo VIDEO=path")

    url = f"http://127.0.0.1:{(port := free_port(options.port))}"
    video = options.video or HERE / "data" / "sample.mp4"
    (HERE / "data").mkdir(exist_ok=True)
    # A new one each time: the folder is committed, and one that stood in it would open every copy of it.
    public_key = "rk_live_" + "".join(secrets.choice(string.ascii_letters) for _ in range(32))
    with running_server(url, port, public_key) as server:
        if options.video is None and not video.exists():
            make_sample(video)
        wait_until_ready(url, server)
        key = reelkit("keys", "create", "--site", str(HERE), "--name", "demo", "--json")
        try:
            sent = reelkit("upload", str(video), "--url", url, "--key", key["key"], "--json")
            if options.once:
                print(json.dumps(sent))
                return
            show(sent, key["key"], public_key)
            for number in (signal.SIGINT, signal.SIGTERM):  # a shell ignores Ctrl-C for what is in the background
                signal.signal(number, signal.default_int_handler)
            with suppress(KeyboardInterrupt):
                signal.pause()
        finally:
            reelkit("keys", "revoke", key["id"], "--site", str(HERE), "--json")


def show(sent: dict[str, Any], key: str, public_key: str) -> None:
    """Tell where the video plays, how to embed it and how fast it was."""
    console.print(f"\n[bold]Watch it[/bold]     {sent['watch_url']}")
    console.print(f"[bold]Embed it[/bold]     {sent['iframe']}", soft_wrap=True)
    console.print(f"[bold]API key[/bold]      {key}  (ends with the demo)")
    console.print(f"[bold]Public key[/bold]   {public_key}  (reads, 10 times a minute)")
    console.print(
        f"[bold]Playable[/bold]     {sent['playable_s']:.2f} s after the last byte; "
        f"first segment after {sent['first_segment_s']:.2f} s"
    )
    console.print("\nPress Ctrl-C to stop. Everything it made is in sites/demo/data, with the log in server.log.")


if __name__ == "__main__":
    main()
