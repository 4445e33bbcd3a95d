"""What knowing and counting callers costs JSON: a route that reads nothing, and `GET /videos/{id}`, beside both bare.

The bare routes run in the same server with the same flags, in a Litestar application of their own: the same handlers, which
answer the same JSON and read the same row by the same query, without key, limit, request id, metric, log line or CORS. The
promises are for the read of the API; the other route, which no site has, shows what remains where there is nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
from reelkit.testing.processes import answers_http, free_ports, run_process
from reelkit.testing.servers import run_valkey

from tests.bench.delivery import Measured
from tests.bench.instance import Instance, run_instance
from tests.bench.results import Row

__all__ = ["run"]

ROUNDS = 3
STILL = """
from typing import Any
import reelkit
from litestar import get
from reelkit.access.principal import Principal

SAID = {"name": "still", "numbers": list(range(50)), "text": "Nothing is read for this. " * 10}

@get("/still", opt={"needs": "api:read"})
async def still(principal: Principal) -> dict[str, Any]:
    return SAID

@reelkit.hookimpl
def register_routes():
    return [still]
"""
"""A plugin of a site: its route asks who calls, as those of the API do."""
BARE = """
import sys
from contextlib import asynccontextmanager
from typing import Any
from litestar import Litestar, get
from litestar.datastructures import State
from reelkit.api.video_json import VideoJson, video_json
from reelkit.api.videos import find_video
from reelkit.catalog.scope import Scope
from reelkit.cli import server
from reelkit.jobs.runtime import running
from reelkit.plugins import load_plugins
from reelkit.site import load_site


@get("/videos/{video_id:str}")
async def get_video(video_id: str, state: State) -> VideoJson:
    return video_json(await find_video(Scope("default"), video_id), state.runtime)


SAID = {"name": "still", "numbers": list(range(50)), "text": "Nothing is read for this. " * 10}


@get("/still")
async def still() -> dict[str, Any]:
    return SAID


@get("/healthz")
async def healthz() -> None:
    return None


@asynccontextmanager
async def lifespan(app):
    site = load_site(sys.argv[1])
    async with running(site, load_plugins(site), run_jobs=False) as runtime:
        app.state.runtime = runtime
        yield


def application():
    handlers = [get_video, still, healthz]
    return server._slim(Litestar(handlers, lifespan=[lifespan], openapi_config=None, logging_config=None))


server.application = application
if __name__ == "__main__":
    server.serve("127.0.0.1", int(sys.argv[2]), 1, "bare")
"""


def run(folder: Path, cache: Path) -> Iterator[Row]:
    """Load each route in turns and compare the best rounds."""
    bare_file, (port,) = folder / "bare.py", free_ports(1)
    bare_file.write_text(BARE)
    for name in ("embedded", "shared"):
        plugins = folder / name / "site" / "plugins"
        plugins.mkdir(parents=True)
        (plugins / "still.py").write_text(STILL)
    with (
        run_instance(folder / "embedded") as alone,
        run_valkey(folder / "valkey") as valkey,
        run_instance(folder / "shared", f'[valkey]\nurl = "{valkey.url}"\n') as shared,
    ):
        read = f"/videos/{alone.new_video('A video')}"
        command = [sys.executable, "-P", str(bare_file), str(alone.folder), str(port)]
        with run_process(command, log=folder / "bare.log", ready=answers_http(port, "/healthz")) as framework:
            for path in (read, "/still"):
                same(f"http://127.0.0.1:{port}{path}", alone.get(path))
            bares = {path: Measured(port, framework.pid, path) for path in (read, "/still")}
            ways = (
                ("key counted in the process", alone, alone.authorization, "≥ 0.75"),
                ("session token", alone, session_of(alone), "≥ 0.7"),
                ("key counted in Valkey", shared, shared.authorization, "≥ 0.5"),
            )
            routes = {
                read: f"/videos/{shared.new_video('A video')}",
                "/still": "/still",
            }
            measured = {
                (path, name): Measured(site.port, site.pid, routes[path] if site is shared else path, headers)
                for path in routes
                for name, site, headers, _ in ways
            }
            for _ in range(ROUNDS):
                for each in (*bares.values(), *measured.values()):
                    each.round()
    for (path, name), ours in measured.items():
        bare = bares[path]
        promise = next(limit for way, _, _, limit in ways if way == name) if path == read else ""
        what = "GET /videos/{id}" if path == read else "a route that reads nothing"
        yield Row(
            topic="json",
            name=f"{what}, {name}: {told(ours)}",
            figure=ours.best.requests_per_second / bare.best.requests_per_second,
            unit="x bare",
            limit=promise,
            beside=f"bare {told(bare)}",
        )


def told(measured: Measured) -> str:
    """Return the rate of the best round, and what a request costs."""
    cpu = sum(measured.costs) / sum(load.requests for load in measured.loads)
    return f"{measured.best.requests_per_second:.0f}/s, {cpu * 1e6:.0f} CPU-us each"


def session_of(instance: Instance) -> dict[str, str]:
    """Return the header of a session token."""
    answer = httpx.post(f"{instance.url}/api/auth", headers=instance.authorization).raise_for_status()
    return {"X-Session-Token": answer.json()["token"]}


def same(bare: str, ours: httpx.Response) -> None:
    """Raise RuntimeError unless both routes answer the same JSON; their base URLs differ by nothing but the port."""
    theirs = httpx.get(bare).json()
    if ours.status_code != 200 or theirs.keys() != ours.json().keys() or len(ours.content) < 400:
        raise RuntimeError(f"the bare route answers something else: {theirs} instead of {ours.text}")
