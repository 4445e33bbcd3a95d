"""Whatever schemathesis makes of the description of the API, the site answers as it is described and never fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from reelkit.testing.served import ServedSite

CHECKS = "not_a_server_error,status_code_conformance,response_schema_conformance"
HOOKS = """
import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
"""
"""It does not know the type of tus."""


def test_no_request_that_can_be_described_makes_the_site_fail(site: ServedSite, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{site.url}/openapi.json"]
    command += ["-H", f"Authorization: Bearer {site.key}", "--checks", CHECKS, "--max-examples", "8", "--seed", "1"]
    command += ["--phases", "coverage,fuzzing", "--generation-database", "none"]
    (tmp_path / "bytes_of_tus.py").write_text(HOOKS)
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "bytes_of_tus", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
