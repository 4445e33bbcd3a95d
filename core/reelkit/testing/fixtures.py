"""pytest fixtures: `pytest_plugins = ["reelkit.testing.fixtures"]` in a conftest.py makes them available.

Servers are started once a session, when a test first asks; databases and buckets are made anew for every test.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio_ffmpeg
import pytest
import pytest_asyncio

from reelkit.testing.browser import ChromiumMissing, find_chromium
from reelkit.testing.clock import Clock
from reelkit.testing.needs import unavailable
from reelkit.testing.samples import Sample, make_sample
from reelkit.testing.servers import (
    CaddyServer,
    NginxServer,
    PostgresServer,
    S3Bucket,
    S3Server,
    ValkeyServer,
    run_caddy,
    run_nginx,
    run_postgres,
    run_s3,
    run_valkey,
)
from reelkit.testing.shared import shared_folder

if TYPE_CHECKING:
    from playwright.async_api import Browser

__all__ = [
    "browser",
    "caddy",
    "certificate",
    "clock",
    "ffmpeg",
    "make_postgres_database",
    "nginx",
    "postgres_server",
    "postgres_url",
    "s3_bucket",
    "s3_server",
    "sample",
    "sample_h264",
    "small_disk",
    "valkey_server",
    "valkey_url",
]


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A running PostgreSQL."""
    with run_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


database_numbers = count(1)


@pytest.fixture
def make_postgres_database(postgres_server: PostgresServer) -> Iterator[Callable[..., str]]:
    """Make databases that are dropped after the test: make_postgres_database(template="template1") -> their address."""
    made: list[str] = []

    def make(template: str = "template1") -> str:
        name = f"test_{next(database_numbers)}"
        # Copying files beats writing them to the log while a database is as small as these.
        postgres_server.psql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        made.append(name)
        return postgres_server.url(name)

    yield make
    for name in made:
        postgres_server.psql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(make_postgres_database: Callable[..., str]) -> str:
    """The address of an empty database, dropped after the test."""
    return make_postgres_database()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A running S3 service."""
    with run_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3_bucket(s3_server: S3Server) -> Iterator[S3Bucket]:
    """An empty bucket: endpoint, bucket, access_key, secret_key, region; removed after the test."""
    bucket = s3_server.make_bucket()
    yield bucket
    s3_server.drop_bucket(bucket)


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A running Valkey."""
    with run_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def valkey_url(valkey_server: ValkeyServer) -> str:
    """The address of a Valkey database, emptied before the test."""
    valkey_server.flush()
    return valkey_server.url


@pytest.fixture
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., NginxServer]]:
    """Start nginx: nginx("location / { … }", http="…", main="…", workers=1, folder=path) -> NginxServer."""
    with ExitStack() as stack:

        def start(server: str, *, folder: Path | None = None, **options: Any) -> NginxServer:
            place = folder or tmp_path_factory.mktemp("nginx")
            running: AbstractContextManager[NginxServer] = run_nginx(place, server, **options)
            return stack.enter_context(running)

        yield start


@pytest.fixture
def caddy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], CaddyServer]]:
    """Start Caddy: caddy("reverse_proxy 127.0.0.1:8000") -> CaddyServer."""
    with ExitStack() as stack:
        yield lambda site: stack.enter_context(run_caddy(tmp_path_factory.mktemp("caddy"), site))


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a sample file: sample(duration=4, container="mov", …) -> Path; options of reelkit.testing.samples.Sample.

    Read only: the file of the same options is the same one in every test of the run.
    """
    folder = shared_folder(tmp_path_factory, "samples")
    return lambda **options: make_sample(folder, Sample(**options))


@pytest.fixture(scope="session")
def sample_h264(sample: Callable[..., Path]) -> Path:
    """10 s of 320x180 H.264 with B-frames and AAC in an MP4 file, moov last. Read only."""
    return sample()


@pytest.fixture(scope="session")
def ffmpeg() -> Callable[..., None]:
    """Run ffmpeg: ffmpeg("-i", path, …)."""

    def run(*arguments: str | Path) -> None:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *map(str, arguments)]
        subprocess.run(command, check=True)

    return run


@pytest.fixture
def clock() -> Clock:
    """A clock that stands at 1000."""
    return Clock()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 24 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make a certificate, signed by itself, and its key, in one file: certificate("hook.test") -> Path."""

    def make(host: str) -> Path:
        folder = tmp_path_factory.mktemp("certificate")
        command = [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
        ]
        try:
            subprocess.run(command, capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError) as failed:
            unavailable(f"openssl makes no certificate: {failed}")
        both = folder / "both.pem"
        both.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
        return both

    return make


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Headless Chromium, of playwright."""
    # Most runs of a few tests open no page, and it takes a third of a second.
    from playwright.async_api import async_playwright

    try:
        found = find_chromium()
    except ChromiumMissing as missing:
        unavailable(f"no Chromium: {missing}")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=found.executable, args=list(found.arguments), env=dict(found.environment)
        )
        yield launched
        await launched.close()
