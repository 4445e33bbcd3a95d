"""The application of a site: how it starts, what plugins add, how it says that it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from reelkit.testing.processes import free_ports
from reelkit.testing.served import served_site

S3 = '[use]\nstorage = "s3"\n[plugins.s3]\nbucket = "b"\nendpoint = "http://192.0.2.1"\n'
S3 += 'access_key = "a"\nsecret_key = "s"\n'
POSTGRES = '[database]\nurl = "postgresql://nobody@127.0.0.1:1/none"\n'


@pytest.mark.parametrize(("settings", "says"), [(S3, "is not encrypted"), (POSTGRES, "The database cannot be reached")])
def test_a_site_that_cannot_start_says_why_in_a_sentence(settings: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(settings)
    command = [sys.executable, "-m", "reelkit", "serve", "--site", str(tmp_path), "--port", str(free_ports(1)[0])]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode != 0
    assert says in run.stderr
    assert "Traceback" not in run.stderr and "DatabaseUnavailable" not in run.stderr


def test_plugins_add_routes_and_one_that_clashes_is_blamed(tmp_path: Path) -> None:
    plugins = tmp_path / "site" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "greeting.py").write_text(
        "from litestar import get\n"
        "from reelkit import hookimpl\n\n"
        "@get('/hello', sync_to_thread=False)\n"
        "def hello() -> str:\n    return 'hello'\n\n"
        "@hookimpl\n"
        "def register_routes(site):\n    return [hello]\n"
    )
    (plugins / "clashing.py").write_text(
        "from litestar import get\n"
        "from reelkit import hookimpl\n\n"
        "@get('/videos', sync_to_thread=False)\n"
        "def mine() -> str:\n    return 'mine'\n\n"
        "@hookimpl\n"
        "def register_routes(site):\n    return [mine]\n"
    )
    (plugins / "crashing.py").write_text(
        "from litestar import get\n"
        "from reelkit import hookimpl\n\n"
        "@get('/crash', sync_to_thread=False)\n"
        "def crash() -> str:\n    raise RuntimeError('the reason')\n\n"
        "@hookimpl\n"
        "def register_routes(site):\n    return [crash]\n"
    )
    with served_site(tmp_path / "site") as site:
        assert httpx.get(f"{site.url}/hello").text == "hello"
        assert httpx.get(f"{site.url}/videos").status_code == 401, "the API is the core's"
        assert "clashing" in site.log.read_text()
        crashed = httpx.get(f"{site.url}/crash")
        assert (crashed.status_code, crashed.json()["title"]) == (500, "Server error")
        assert "the reason" not in crashed.text


def test_an_idle_server_is_small(tmp_path: Path) -> None:
    import psutil

    with served_site(tmp_path / "site") as site:
        assert site.process is not None
        server = psutil.Process(site.process.pid)
        # Shared pages counted once.
        used = sum(process.memory_full_info().pss for process in [server, *server.children(recursive=True)])
        assert used < 150 << 20, f"{used >> 20} MiB"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    environment = {"REELKIT_LIMITS__SOURCE_BYTES": "1000"}
    with served_site(tmp_path / "site", "[limits]\nsource_bytes = 5\n", environment=environment) as site:
        video = site.new_video()
        headers = {"Content-Type": "video/mp4"}
        refused = site.client.post(f"/videos/{video}/source", content=b"x" * 1001, headers=headers)
        assert refused.json()["type"].endswith("/uploaded-file-too-large")
        assert "1000" in refused.json()["detail"]
