"""Workers of one server count in a Valkey of their own, which nobody else opens and which ends with the server."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from reelkit.access.shared_windows import SharedWindows
from reelkit.cli import private_valkey, serve
from reelkit.cli.private_valkey import ValkeyMissing, start_private_valkey
from reelkit.site import Site

STARTED = """
import sys
from pathlib import Path
from reelkit.cli.private_valkey import start_private_valkey
print(start_private_valkey(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("folder", ["data", "d" * 120])
async def test_processes_count_in_it_until_the_server_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    command = [sys.executable, "-c", STARTED, str(tmp_path / folder)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None and server.stdout is not None
    url = server.stdout.readline().strip()
    path = Path(url.removeprefix("unix://"))
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, "only this user may open it"
    one, other = SharedWindows(url), SharedWindows(url)
    taken = await asyncio.gather(*((one, other)[number % 2].take("k", 10, 60) for number in range(20)))
    assert sorted(each.count for each in taken) == list(range(1, 21))
    server.kill()
    server.wait()
    server.stdin.close()
    server.stdout.close()
    deadline = time.monotonic() + 30
    while (await one.take("other", 10, 60)).count != 1 or one.shared.down is False:
        assert time.monotonic() < deadline, "it outlives its server"
        await asyncio.sleep(0.05)
    for windows in (one, other):
        await windows.close()
    if path.parent.name == "data":
        monkeypatch.setenv("REELKIT_VALKEY_BIN", "/bin/false")
        with pytest.raises(ValkeyMissing):
            start_private_valkey(path.parent)
        assert not path.exists(), "what a killed server left is cleared away"


def test_without_one_the_start_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REELKIT_VALKEY_BIN", "/nowhere/valkey-server")
    monkeypatch.delenv(serve.VALKEY_URL, raising=False)
    with pytest.raises(ValkeyMissing, match=r"/nowhere/valkey-server cannot be run"):
        start_private_valkey(tmp_path)
    serve._count_together(Site(folder=tmp_path))
    said = capsys.readouterr().err
    assert "Install reelkit[workers], or name one in site.toml: [valkey] url" in said
    assert "each counts by itself" in said
    assert serve.VALKEY_URL not in os.environ


def test_one_that_does_not_start_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELKIT_VALKEY_BIN", "/bin/false")
    monkeypatch.setattr(private_valkey, "SECONDS", 60.0)
    started = time.monotonic()
    with pytest.raises(ValkeyMissing, match="did not start"):
        start_private_valkey(tmp_path)
    assert time.monotonic() - started < 30
