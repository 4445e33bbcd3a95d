"""The jobs database as processes of one site find it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from reelkit.jobs.durable import open_sqlite

OPENERS = """
import multiprocessing, pathlib, sys
from reelkit.jobs.durable import open_sqlite

def opener(folder, together, said):
    for number in range(100):
        together.wait(60)
        try:
            open_sqlite(f"sqlite:///{folder}/{number}.sqlite").dispose()
        except Exception as error:
            said.put(f"{number}: {error}")
    said.put(None)

fork = multiprocessing.get_context("fork")
together, said = fork.Barrier(4), fork.Queue()
openers = [fork.Process(target=opener, args=(sys.argv[1], together, said)) for _ in range(4)]
for process in openers:
    process.start()
left = len(openers)
while left:
    line = said.get(timeout=60)
    if line is None:
        left -= 1
    else:
        print(line)
for process in openers:
    process.join()
"""


def test_processes_that_start_at_once_on_a_new_site_all_open_its_jobs(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", OPENERS, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_nobody_else_can_read_the_jobs(tmp_path: Path) -> None:
    engine = open_sqlite(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE job (id)")
        assert [file.name for file in tmp_path.iterdir() if file.stat().st_mode & 0o077] == []
    engine.dispose()
