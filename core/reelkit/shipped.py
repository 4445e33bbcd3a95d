"""Files that come with reelkit and are no code."""

from __future__ import annotations

from pathlib import Path

__all__ = ["templates"]


def templates() -> Path:
    """Return the folder `templates/`: inside the package when installed, beside `core/` in a checkout."""
    here = Path(__file__).resolve().parent
    installed = here / "_templates"
    return installed if installed.is_dir() else here.parents[1] / "templates"
