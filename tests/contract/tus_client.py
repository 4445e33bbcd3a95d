"""tus_client.py CLIENT [COMMAND…] OPTIONS: uploads with a client of tus and tells as JSON how each upload went.

CLIENT is tuspy, or tus-js-client, which COMMAND runs (tests/api/tus/upload.mjs). OPTIONS is JSON: url, key, files.
Printed: [[operation id, what was done, error or null], …].
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from tusclient.client import TusClient

MIB = 1 << 20
client, *command = sys.argv[1:-1]
options = json.loads(sys.argv[-1])
film, small = (Path(options["files"]) / name for name in ("film.mp4", "small.mp4"))
endpoint = f"{options['url']}/uploads/tus"
api = httpx.Client(base_url=options["url"], auth=(options["key"], ""), timeout=60)
token = api.post("/upload-tokens", json={}).json()["token"]
by_key = {"X-API-Key": options["key"]}
told: list[list[str | None]] = []


def step(operation: str, what: str, act: Callable[[], str], file: Path = film) -> None:
    """Upload a file and note how it went. act: returns the address of the upload, of which the site must have every byte."""
    error = None
    try:
        answer = api.head(act(), headers={"Tus-Resumable": "1.0.0"})
        status = api.get(f"/videos/{answer.headers['Video-Id']}/status").json()
        if status["ingest"]["filesize"] != file.stat().st_size or status["ingest"]["status"] == "uploading":
            error = f"the site has {status['ingest']}"
    except Exception as failure:
        error = str(failure)[:400]
    told.append([operation, what, error])


def by_tuspy(file: Path, query: str = "", headers: dict[str, str] = by_key, **more: Any) -> str:
    """Upload with tuspy and return the address."""
    uploader = TusClient(endpoint + query, headers=headers).uploader(str(file), **more)
    uploader.upload()
    return str(uploader.url)


def resumed_by_tuspy() -> str:
    """Upload a chunk, and the rest with a client that knows nothing but the address."""
    begun = TusClient(endpoint, headers=by_key).uploader(str(film), chunk_size=3 * MIB)
    begun.upload_chunk()  # type: ignore[no-untyped-call]  # half of the client has no types
    return by_tuspy(film, url=begun.url)


def by_javascript(file: Path, query: str = "", headers: dict[str, str] = by_key, **more: Any) -> dict[str, Any]:
    """Upload with tus-js-client and return what it said."""
    given = {"endpoint": endpoint + query, "file": str(file), "headers": headers, **more}
    done = subprocess.run([*command, json.dumps(given)], capture_output=True, text=True, timeout=60, check=True)
    said: dict[str, Any] = json.loads(done.stdout)
    if "error" in said:
        raise RuntimeError(said["error"])
    return said


def given_up_by_javascript() -> None:
    """Terminate an upload that is under way, and note how it went: neither it nor its video may be there."""
    said = by_javascript(film, chunkSize=5 * MIB, abortAt=5 * MIB, terminate=True)
    there = [
        api.get(f"/videos/{said['videoId']}").status_code,
        api.head(said["url"], headers={"Tus-Resumable": "1.0.0"}).status_code,
    ]
    told.append(
        ["DELETE_uploads-tus-id", "give an upload up", None if there == [404, 404] else f"video and upload: {there}"]
    )


NEW, MORE, WHERE = "POST_uploads-tus", "PATCH_uploads-tus-id", "HEAD_uploads-tus-id"
by_token: dict[str, Any] = {"query": f"?token={token}", "headers": {}}
if client == "tuspy":
    step(NEW, "upload in one piece", lambda: by_tuspy(small), small)
    step(NEW, "upload with an upload token", lambda: by_tuspy(small, **by_token), small)
    step(MORE, "upload in pieces", lambda: by_tuspy(film, chunk_size=3 * MIB))
    step(MORE, "upload in pieces that are checked", lambda: by_tuspy(film, chunk_size=4 * MIB, upload_checksum=True))
    step(WHERE, "go on with an upload", resumed_by_tuspy)
else:
    step(NEW, "upload in one piece", lambda: str(by_javascript(small)["url"]), small)
    step(NEW, "upload with an upload token", lambda: str(by_javascript(small, **by_token)["url"]), small)
    step(NEW, "upload the first piece with the creation",
         lambda: str(by_javascript(film, chunkSize=5 * MIB, uploadDataDuringCreation=True)["url"]))  # fmt: skip
    step(NEW, "join what was uploaded in parallel", lambda: str(by_javascript(film, parallelUploads=2)["url"]))
    step(MORE, "upload in pieces", lambda: str(by_javascript(film, chunkSize=3 * MIB)["url"]))
    begun = by_javascript(film, chunkSize=5 * MIB, abortAt=5 * MIB)["url"]
    step(WHERE, "go on with an upload", lambda: str(by_javascript(film, previous=begun)["url"]))
    given_up_by_javascript()

print(json.dumps(told))
