"""hls.js in Chromium plays what is packaged: from the beginning, from the middle, picture and sound where they belong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.async_api import Browser
from reelkit.testing.needs import unavailable
from reelkit.testing.packaging import package

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

HLS = Path(__file__).parents[3] / "plugins/mediachrome/node_modules/hls.js/dist/hls.js"

PAGE = """<!doctype html><video muted></video><script src="hls.js"></script><script>
const asked = new URLSearchParams(location.search), video = document.querySelector("video");
const seen = {errors: [], frames: []}, tracks = {};
const hls = new Hls({startPosition: parseFloat(asked.get("from"))});
hls.on(Hls.Events.ERROR, (_, data) => seen.errors.push(data.details));
hls.on(Hls.Events.BUFFER_CREATED, (_, data) => Object.assign(tracks, data.tracks));
const frame = (_, facts) => { seen.frames.push(facts.mediaTime); video.requestVideoFrameCallback(frame); };
video.requestVideoFrameCallback(frame);
hls.loadSource(asked.get("master")); hls.attachMedia(video);
video.addEventListener("canplay", () => video.play());
window.look = () => ({
  ...seen, time: video.currentTime, failed: video.error && video.error.message,
  size: [video.videoWidth, video.videoHeight],
  buffered: Object.fromEntries(Object.entries(tracks).map(([name, track]) => {
    const times = track.buffer.buffered;
    return [name, Array.from({length: times.length}, (_, i) => [times.start(i), times.end(i)])];
  })),
});
</script>"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder and the address where it is served, with the page in it."""
    if not HLS.exists():
        unavailable("hls.js is not installed; `make env` builds the player")
    folder = tmp_path_factory.mktemp("served")
    (folder / "page.html").write_text(PAGE)
    (folder / "hls.js").write_bytes(HLS.read_bytes())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("plain.mp4", {"video": 10, "audio": 10}),
        ("odd_gops.mp4", {"video": 10, "audio": 10}),
        ("vfr.mp4", {"video": 9.96, "audio": 9.96}),
        ("fragmented.mp4", {"video": 10, "audio": 10}),
        ("negative_offsets.mp4", {"video": 10, "audio": 10}),
        ("cmaf.mp4", {"video": 10, "audio": 10.02}),
        ("quicktime.mov", {"video": 10, "audio": 10}),
        ("trimmed.mp4", {"video": 8, "audio": 8}),
        ("picture_late.mp4", {"video": 10, "audio": 9.5}),
        ("sound_late.mp4", {"video": 10, "audio": 10.5}),
        ("av1_opus.mp4", {"video": 10, "audio": 10}),
        ("rotated.mp4", {"video": 10, "audio": 10}),
        ("silent.mp4", {"video": 10}),
        ("flac.mp4", {"video": 10, "audio": 10}),
    ],
)
async def test_hls_js_plays_it(
    name: str, ends: dict[str, float], browser: Browser, served: tuple[Path, str], source: Callable[[str], Path]
) -> None:
    folder, address = served
    packaged = await asyncio.to_thread(package, source(name), folder / name)
    for start in (0, 5):
        page = await browser.new_page()
        await page.goto(f"{address}/page.html?master={name}/master.m3u8&from={start}")
        seen: dict[str, Any] = {}
        patience = time.monotonic() + 60
        while time.monotonic() < patience:
            seen = await page.evaluate("look()")
            full = all(kind in seen["buffered"] and _end(seen, kind) > end - 0.1 for kind, end in ends.items())
            if full and seen["time"] > start + 0.5 and len(seen["frames"]) > 5:
                break
            await asyncio.sleep(0.05)
        await page.close()
        assert (seen["failed"], seen["errors"]) == (None, [])
        assert seen["time"] > start + 0.5
        # From the middle, hls.js takes decode times for the playlist's: up to a frame off for a variable frame rate.
        slack = 0.05 if start and name == "vfr.mp4" else 0.03
        assert {kind: pytest.approx(_end(seen, kind), abs=slack) for kind in seen["buffered"]} == ends
        picture = packaged.packager.video_track
        assert picture is not None
        assert seen["size"] == [picture.width, picture.height]
        # No hole inside, and the very first frame is there: Chromium drops what is shown before 0.
        assert all(len(times) == 1 for times in seen["buffered"].values())
        if start == 0:
            assert seen["buffered"]["video"][0][0] == 0
            assert seen["frames"][0] == 0
        else:
            assert seen["frames"][0] == pytest.approx(5, abs=0.12)


def _end(seen: dict[str, Any], kind: str) -> float:
    times = seen["buffered"][kind]
    return float(times[-1][1]) if times else 0.0
