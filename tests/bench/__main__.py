"""Run the measurements: `make bench`, or `python -m tests.bench --only upload`."""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.bench.results import Row, print_table, save

TOPICS = ("startup", "segment", "first_play", "delivery", "proxy", "upload", "parts", "ladder", "lists", "analytics", "json")


def main() -> int:
    """Measure, print the table, write bench-results.json; the exit code counts no broken promise as failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=TOPICS, action="append", help="measure this topic; may be repeated")
    parser.add_argument("--cache", type=Path, default=Path("build/bench"), help="where the media files are kept")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for topic in options.only or TOPICS:
        Console(stderr=True).print(f"Measuring {topic} …")
        with tempfile.TemporaryDirectory(prefix=f"reelkit-bench-{topic}-", dir=options.cache) as folder:
            rows += importlib.import_module(f"tests.bench.{topic}").run(Path(folder).resolve(), options.cache.resolve())
    print_table(rows)
    save(rows, Path("bench-results.json"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
