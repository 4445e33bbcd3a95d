"""session.js keeps a page in session tokens: against a real site, in node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import httpx
from reelkit.testing.needs import unavailable
from reelkit.testing.npm import NpmFailed, node_commands
from reelkit.testing.served import ServedSite


def test_a_page_is_never_without_a_token_that_works(site: ServedSite, tmp_path: Path) -> None:
    try:
        node, _ = node_commands()
    except NpmFailed as missing:
        unavailable(str(missing))
    script = httpx.get(f"{site.url}/embed/session.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert (script.headers["access-control-allow-origin"], script.headers["cache-control"]) == ("*", "public, max-age=3600")
    module = tmp_path / "session.mjs"
    module.write_text(script.text)
    command = [*node, str(Path(__file__).parent / "session_page.mjs"), str(module), site.url, site.key]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {
        "many": 1,
        "same": True,
        "read": 200,
        "beforeTwoMinutes": 0,
        "withinTwoMinutes": 1,
        "elsewhere": "TypeError",
        "frame": "/embed/vod/vi1?t=5&token=TOKEN",
        "renewedByTimer": 0,
        "changed": True,
        "keptWhileItWorks": "string",
        "ended": "away",
        "afterRefusal": 200,
        "given": 2,
        "refused": 401,
    }
