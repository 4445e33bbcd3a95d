"""What a confined program can and cannot do."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
from reelkit.media.sandbox import Confinement, confined, tail

ROOMY = Confinement(
    cpu_seconds=20,
    memory_bytes=1 << 30,
    file_bytes=1 << 20,
    read=(Path(sys.prefix), Path(sys.base_prefix)),
)


async def run(script: str, confinement: Confinement = ROOMY) -> tuple[str, str, int]:
    program = [sys.executable, "-I", "-S", "-c", textwrap.dedent(script)]
    async with confined(program, confinement) as process:
        assert process.stdout is not None and process.stderr is not None
        out, err = await asyncio.gather(tail(process.stdout), tail(process.stderr))
        return out, err, await process.wait()


async def test_a_file_that_was_not_named_cannot_be_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary")
    out, err, _ = await run(f"print(open({str(secret)!r}).read())")
    assert "PermissionError" in err and "canary" not in out


async def test_a_named_file_can_be_read_and_a_named_folder_written(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "out"
    source.write_text("bytes")
    folder.mkdir()
    confinement = Confinement(
        cpu_seconds=20,
        memory_bytes=1 << 30,
        file_bytes=1 << 20,
        read=(*ROOMY.read, source),
        write=(folder,),
    )
    _, err, code = await run(f"open({str(folder / 'copy')!r}, 'w').write(open({str(source)!r}).read())", confinement)
    assert (code, err) == (0, "")
    assert (folder / "copy").read_text() == "bytes"


async def test_the_network_is_out_of_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        _, _, code = await run(f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert code == 1


async def test_secrets_of_the_environment_stay_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELKIT_SECRET", "canary")
    out, _, _ = await run("import os; print(sorted(os.environ))")
    assert "REELKIT_SECRET" not in out


async def test_too_much_memory_is_refused() -> None:
    _, err, _ = await run("bytearray(2 << 30)")
    assert "MemoryError" in err


async def test_too_much_processor_time_ends_it() -> None:
    confinement = Confinement(cpu_seconds=1, memory_bytes=1 << 30, file_bytes=0, read=ROOMY.read)
    _, _, code = await run("while True: pass", confinement)
    assert code < 0


async def test_a_file_cannot_grow_beyond_its_limit(tmp_path: Path) -> None:
    confinement = Confinement(cpu_seconds=5, memory_bytes=1 << 30, file_bytes=1000, read=ROOMY.read, write=(tmp_path,))
    await run(f"open({str(tmp_path / 'big')!r}, 'wb').write(bytes(5000))", confinement)
    assert (tmp_path / "big").stat().st_size <= 1000


async def test_cancelling_kills_the_whole_group() -> None:
    started = asyncio.Event()
    pids: list[int] = []

    async def work() -> None:
        script = """
            import os, time
            child = os.fork()
            if child: print(os.getpid(), child, flush=True)
            time.sleep(60)
        """
        async with confined([sys.executable, "-I", "-S", "-c", textwrap.dedent(script)], ROOMY) as process:
            assert process.stdout is not None
            pids.extend(map(int, (await process.stdout.readline()).split()))
            started.set()
            await process.wait()

    task = asyncio.create_task(work())
    await asyncio.wait_for(started.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(pids) == 2
    await asyncio.to_thread(psutil.wait_procs, [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], 5)
    assert not [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


async def test_it_dies_with_its_parent() -> None:
    script = f"""
        import asyncio, sys
        from pathlib import Path
        from reelkit.media.sandbox import Confinement, confined
        sleeper = "print(1, flush=True); import time; time.sleep(60)"
        async def main():
            c = Confinement(cpu_seconds=9, memory_bytes=1 << 30, file_bytes=0, read=(Path({sys.base_prefix!r}),))
            async with confined([{sys.executable!r}, "-I", "-S", "-c", sleeper], c) as p:
                await p.stdout.readline()
                print(p.pid, flush=True)
                await p.wait()
        asyncio.run(main())
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await asyncio.to_thread(parent.stdout.readline))
    assert psutil.pid_exists(child)
    parent.kill()
    parent.wait()
    for _ in range(1200):
        if not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail("the confined program outlived its parent")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become an ordinary user")
def test_an_ordinary_user_is_confined_too(tmp_path: Path) -> None:
    script = f"""
        import asyncio, sys
        from pathlib import Path
        from reelkit.media.sandbox import Confinement, confined, tail
        async def main():
            c = Confinement(cpu_seconds=9, memory_bytes=1 << 30, file_bytes=1000, write=(Path({str(tmp_path)!r}),))
            async with confined(["/bin/sh", "-c", "echo made > {tmp_path}/made; cat /etc/hostname || echo refused"], c) as p:
                print((await tail(p.stdout)).strip())
        asyncio.run(main())
    """
    # The interpreter may live in root's home: become the user from within it, when everything is imported.
    drop = "import os, reelkit.media.sandbox, encodings.idna, msgspec; os.setgid(65534); os.setuid(65534)\n"
    drop += "import sys; sys.executable = '/usr/bin/python3'\n"
    if not Path("/usr/bin/python3").exists():
        pytest.skip("needs a Python that an ordinary user can run")
    tmp_path.chmod(0o777)
    for folder in list(tmp_path.parents)[:3]:
        folder.chmod(folder.stat().st_mode | 0o011)
    run = subprocess.run([sys.executable, "-c", drop + textwrap.dedent(script)], capture_output=True, text=True)
    assert (run.stdout.strip(), (tmp_path / "made").exists()) == ("refused", True), run.stderr
