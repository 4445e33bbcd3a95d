"""Official clients and the site that they are pointed at."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from reelkit.testing import npm
from reelkit.testing.browser import ChromiumMissing, find_chromium
from reelkit.testing.needs import unavailable
from reelkit.testing.served import ServedSite, served_site
from reelkit.testing.servers import PostgresServer, run_caddy

HERE = Path(__file__).parent
RESTORING = "[videos]\nrestore = true\n"
MIB = 1 << 20
CAPTIONS = "WEBVTT\n\n00:00.000 --> 00:01.500\nBonjour\n"
CHAPTERS = "WEBVTT\n\n00:00.000 --> 00:01.500\nStart\n"

Told = list[tuple[str, str, str | None]]
"""What a client did: operation id, what, and what went wrong."""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A site that keeps deleted videos for a while, as a project with Video Restore does."""
    with served_site(tmp_path_factory.mktemp("contract"), RESTORING) as site:
        yield site


@pytest.fixture(scope="session")
def client_files(tmp_path_factory: pytest.TempPathFactory, sample_h264: Path) -> Path:
    """Return a folder of everything that clients upload; film.mp4 is longer than two chunks of 5 MiB."""
    folder = tmp_path_factory.mktemp("files")
    content = sample_h264.read_bytes()
    (folder / "small.mp4").write_bytes(content)
    padding = 11 * MIB - len(content)
    film = content + padding.to_bytes(4, "big") + b"free" + bytes(padding - 8)
    (folder / "film.mp4").write_bytes(film)
    (folder / "part1.mp4").write_bytes(film[: 6 * MIB])
    (folder / "part2.mp4").write_bytes(film[6 * MIB :])
    for name, size in (("picture.jpg", "320x180"), ("mark.png", "32x32"), ("logo.png", "100x50")):
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", f"color=red:s={size}"]
        subprocess.run([*command, "-frames:v", "1", str(folder / name)], check=True)
    (folder / "captions.vtt").write_text(CAPTIONS)
    (folder / "chapters.vtt").write_text(CHAPTERS)
    return folder


def keep_modules(work: Path, made: Path, final: Path) -> None:
    """Keep the folder's name, by which node finds what packages need of each other."""
    (work / "node_modules").rename(made / "node_modules")


def python_command() -> list[str]:
    return [sys.executable, str(HERE / "python_client.py")]


def node_command() -> list[str]:
    node, _ = npm.node_commands()
    return [*node, str(HERE / "node" / "client.mjs"), str(npm.installed(HERE / "node", keep_modules))]


def browser_command() -> list[str]:
    try:
        find_chromium()
    except ChromiumMissing as missing:
        unavailable(f"no Chromium: {missing}")
    return [sys.executable, str(HERE / "browser_client.py"), str(npm.installed(HERE / "uploader", keep_modules))]


def tuspy_command() -> list[str]:
    return [sys.executable, str(HERE / "tus_client.py"), "tuspy"]


def tus_js_command() -> list[str]:
    node, _ = npm.node_commands()
    package = HERE.parent / "api" / "tus"
    modules = npm.installed(package, keep_modules)
    return [sys.executable, str(HERE / "tus_client.py"), "tus-js-client", *node, str(package / "upload.mjs"), str(modules)]


CLIENTS: dict[str, Callable[[], list[str]]] = {
    "Python": python_command,
    "Node": node_command,
    "Browser": browser_command,
    "tuspy": tuspy_command,
    "tus-js-client": tus_js_command,
}


@pytest.fixture(scope="session")
def secure(site: ServedSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the site behind TLS, without which the uploader for browsers does not work."""
    with run_caddy(tmp_path_factory.mktemp("caddy"), f"  reverse_proxy 127.0.0.1:{site.port}", tls=True) as front:
        yield front.url


@pytest.fixture(scope="session")
def journeys(site: ServedSite, secure: str, client_files: Path) -> Callable[[str], Told]:
    """Return what a client tells of its journey through every operation; each makes it once."""
    made: dict[str, Told] = {}

    def journey(client: str) -> Told:
        if client not in made:
            made[client] = travelled(client, url=site.url, secure=secure, key=site.key, files=str(client_files))
        return made[client]

    return journey


@pytest.fixture
def sandbox_journey(postgres_server: PostgresServer, migrated_postgres: str, client_files: Path, tmp_path: Path) -> Told:
    """Return what a client tells of its journey through a sandbox, on a site whose database is PostgreSQL."""
    postgres_server.psql(f"CREATE DATABASE contract TEMPLATE {migrated_postgres}")
    database = {"REELKIT_DATABASE__URL": postgres_server.url("contract")}
    with served_site(tmp_path / "sandbox", RESTORING, environment=database) as site:
        key = site.new_key(environment="sandbox")
        return travelled("Python", url=site.url, secure="", key=key, files=str(client_files))


def travelled(client: str, **options: str) -> Told:
    done = subprocess.run([*CLIENTS[client](), json.dumps(options)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-4000:]
    lines: list[Any] = json.loads(done.stdout)
    return [(operation, what, error) for operation, what, error in lines]


@pytest.fixture(scope="session")
def operations() -> dict[str, dict[str, Any]]:
    """Return what the contract says of each operation, by its id: method, path, statuses, query, headers, body."""
    found: dict[str, dict[str, Any]] = json.loads((HERE / "operations.json").read_text())
    return found
