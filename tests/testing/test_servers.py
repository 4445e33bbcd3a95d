"""The servers that tests run against are real, and gone when the run is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from reelkit.testing.processes import NotReady, run_process
from reelkit.testing.servers import (
    CaddyServer,
    NginxServer,
    PostgresServer,
    S3Bucket,
    ValkeyServer,
)


def test_postgres_gives_every_test_an_empty_database(postgres_server: PostgresServer, postgres_url: str) -> None:
    name = postgres_url.rpartition("/")[2]
    postgres_server.psql("CREATE TABLE thing (id int)", name)
    assert postgres_server.psql("SELECT count(*) FROM pg_class WHERE relname = 'thing'", name).strip() == "1"
    assert postgres_server.psql("SELECT count(*) FROM pg_class WHERE relname = 'thing'").strip() == "0"


def test_s3_refuses_who_does_not_sign(s3_bucket: S3Bucket) -> None:
    assert httpx.get(f"{s3_bucket.endpoint}/{s3_bucket.bucket}").status_code == 403


def test_valkey_is_emptied_before_a_test(valkey_server: ValkeyServer, valkey_url: str) -> None:
    import valkey

    client = valkey.Valkey.from_url(valkey_url)
    client.set("a", "1")
    valkey_server.flush()
    assert client.get("a") is None
    client.close()  # type: ignore[no-untyped-call]  # valkey does not type it


def test_nginx_serves_files(nginx: Callable[..., NginxServer], tmp_path: Path) -> None:
    (tmp_path / "hello.txt").write_text("hello")
    assert httpx.get(nginx(f"root {tmp_path};").url + "/hello.txt").text == "hello"


def test_caddy_answers(caddy: Callable[[str], CaddyServer]) -> None:
    assert httpx.get(caddy('respond "hello"').url).text == "hello"


def test_a_server_that_does_not_start_says_what_it_logged(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no such luck'); raise SystemExit(3)"]
    with pytest.raises(NotReady, match="no such luck"), run_process(command, log=tmp_path / "log", ready=lambda: False):
        pass


@pytest.mark.parametrize("server", ["run_postgres", "run_valkey", "run_s3", "run_nginx", "run_caddy"])
def test_no_server_outlives_a_killed_run(server: str, tmp_path: Path) -> None:
    more = {"run_nginx": ", 'return 204;'", "run_caddy": ", 'respond 204'"}.get(server, "")
    script = (
        "import pathlib, sys, time\nfrom reelkit.testing import servers\n"
        f"with servers.{server}(pathlib.Path(sys.argv[1]){more}) as running:\n"
        "    print(running.pid, flush=True)\n    time.sleep(60)\n"
    )
    run = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    pid = int(run.stdout.readline())
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    run.stdout.close()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_what_a_stopped_server_held_is_free_again(tmp_path: Path) -> None:
    from reelkit.testing.servers import run_nginx

    with run_nginx(tmp_path, "return 204;") as server:
        assert httpx.get(server.url).status_code == 204
    time.sleep(0.05)
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)
