"""browser_client.py MODULES OPTIONS: uploads from a page with the official uploader and tells as JSON how each went.

OPTIONS is JSON: secure (the site behind TLS), key, files. Printed: [[operation id, what was done, error or null], …].
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, sync_playwright
from reelkit.testing.browser import find_chromium

UPLOADER = Path(sys.argv[1]) / "node_modules/@api.video/video-uploader/dist/index.js"
options = json.loads(sys.argv[2])
files = Path(options["files"])
host = options["secure"].removeprefix("https://")
told: list[list[str | None]] = []

ONE_FILE = """async ({host, credential, chunkSize, waits}) => {
  const file = document.querySelector('input').files[0]
  const uploader = new VideoUploader({ file, apiHost: host, chunkSize, retries: 0, ...credential })
  const plays = new Promise((resolve) => uploader.onPlayable(resolve))
  const video = await uploader.upload()
  if (waits) await plays
  return { videoId: video.videoId, manifest: waits ? (await fetch(video.assets.hls)).status : null }
}"""
PARTS = """async ({host, credential}) => {
  const file = document.querySelector('input').files[0]
  const uploader = new ProgressiveUploader({ apiHost: host, retries: 0, ...credential })
  await uploader.uploadPart(file.slice(0, 6 << 20))
  return uploader.uploadLastPart(file.slice(6 << 20))
}"""


def step(page: Page, operation: str, what: str, script: str, name: str, **given: Any) -> None:
    """Upload a file and note how it went: the site must have every byte of it."""
    error = None
    try:
        page.set_input_files("input", files / name)
        answer = page.evaluate(script, {"host": host, "chunkSize": 5 << 20, "waits": False, **given})
        status = api.get(f"/videos/{answer['videoId']}/status").json()
        if status["ingest"].get("filesize") != (files / name).stat().st_size:
            error = f"the site has {status['ingest']}"
        elif given.get("waits") and answer["manifest"] != 200:
            error = f"told as playable while the manifest answered {answer['manifest']}"
    except Exception as failure:
        error = str(failure)[:400]
    told.append([operation, what, error])


api = httpx.Client(base_url=options["secure"], auth=(options["key"], ""), verify=False, timeout=60)
token = api.post("/upload-tokens", json={}).json()["token"]
access = api.post("/auth/api-key", json={"apiKey": options["key"]}).json()
by_token = {"uploadToken": token}
found = find_chromium()
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
        executable_path=found.executable, args=list(found.arguments), env=dict(found.environment)
    )
    page = browser.new_page(ignore_https_errors=True)
    page.goto(f"{options['secure']}/healthz")
    page.set_content("<input type=file>")
    page.add_script_tag(path=UPLOADER)
    step(page, "POST_upload", "upload in one piece", ONE_FILE, "small.mp4", credential=by_token)
    step(page, "POST_upload", "upload and wait until it plays", ONE_FILE, "small.mp4", credential=by_token, waits=True)
    step(page, "POST_upload", "upload in parts that name the video", ONE_FILE, "film.mp4", credential=by_token)
    step(page, "POST_upload", "upload parts of unknown number", PARTS, "film.mp4", credential=by_token)

    def by_access(access_token: str) -> dict[str, str]:
        """Return the credential of an upload into a new video."""
        video = api.post("/videos", json={"title": "From a page"}).json()["videoId"]
        return {"accessToken": access_token, "refreshToken": access["refresh_token"], "videoId": video}

    valid, over = by_access(access["access_token"]), by_access("expired")
    step(page, "POST_videos-videoId-source", "upload in one piece", ONE_FILE, "small.mp4", credential=valid)
    valid = by_access(access["access_token"])
    step(page, "POST_videos-videoId-source", "upload in parts", ONE_FILE, "film.mp4", credential=valid)
    step(page, "POST_auth-refresh", "renew an access token that has expired", ONE_FILE, "small.mp4", credential=over)
    browser.close()

print(json.dumps(told))
