"""What every test may ask for: real servers and sample media.

A cheap test starts no server of its own (1.5 s of CPU) and makes no media anew:

- In process: `database` is a migrated catalog, on SQLite and on Postgres (0.03 s); `runtime` of tests/jobs/kinds runs jobs
  step by step.
- Over HTTP: `site` of a folder's conftest is one served site for every test of that folder. Tests tell their things apart
  by the videos and keys they make; one that needs empty lists makes a project of its own:
  `site.as_key(site.new_key(project=site.new_project()))`. A file whose site needs other
  settings serves one with `served_site` in a fixture of scope "module"; only a test that kills its site has its own.
  `site.new_film(file)` plays when it returns; `site.logged()` is the log once all that was answered is in it.
- Media: `sample(duration=3, …)` is made once a run for all workers, and is read only.
- Time: wait for a condition with a deadline of 30 s or more, never for a moment: other tests keep both cores busy. What
  ends by itself takes a `clock`. A bound that tells waiting from hanging is far from both; CPU is counted as CPU.
- Order: a test finds the same whichever ran before it. It looks for what it made, not for all that is there, and what it
  breaks for good is its own.
"""

from __future__ import annotations

import httpx
import hypothesis
import pytest

pytest_plugins = ["reelkit.testing.fixtures", "reelkit.testing.databases"]

LONGEST = (
    "tests/journeys/test_killed.py",
    "tests/jobs/test_engine_takeover.py",
    "tests/browser/test_real_site.py",
    "tests/plugins/s3/test_conformance.py",
    "tests/contract/test_schemathesis.py",
    "tests/journeys/test_load.py",
    "tests/journeys/test_bad_uploads.py",
    "tests/journeys/test_upload_and_play.py",
    "tests/api/test_parts.py",
    "tests/api/test_limits.py",
    "tests/jobs/test_engine.py",
    "tests/jobs/kinds/test_draft.py",
    "tests/jobs/kinds/test_killed.py",
    "tests/jobs/kinds/test_transcode.py",
    "tests/jobs/kinds/test_ingest.py",
    "tests/jobs/kinds/test_clip.py",
    "tests/catalog/test_database.py",
    "tests/plugins/ffmpeg/test_transcoder.py",
    "tests/plugins/ffmpeg/test_seams.py",
    "tests/plugins/ffmpeg/test_draft.py",
    "tests/browser/test_player.py",
    "tests/browser/test_embed_states.py",
    "tests/contract/test_clients.py",
    "tests/cli/test_serve.py",
    "tests/cli/test_upload.py",
    "tests/delivery/test_private.py",
    "tests/media/test_probe.py",
    "tests/test_app.py",
)
"""Half a minute and more each, on a busy machine; the first ones longest."""


def pytest_configure() -> None:
    """Have nothing fail because the machine is busy with other tests: not requests after 5 s, nor slow examples."""
    slow = hypothesis.HealthCheck.too_slow
    hypothesis.settings.register_profile("reelkit", deadline=None, suppress_health_check=[slow])
    hypothesis.settings.load_profile("reelkit")
    patience = httpx._config.DEFAULT_TIMEOUT_CONFIG
    patience.connect = patience.read = patience.write = patience.pool = 60.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first, so that no worker is left alone with one of them at the end."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.location[0], len(LONGEST)))
