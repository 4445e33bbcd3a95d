"""Options that many commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from reelkit.cli.failure import CommandFailed
from reelkit.site import SITE_FILE, Site, load_site

__all__ = ["SITE", "JsonOption", "SiteOption", "open_site", "print_json", "print_table", "site_folder"]

SITE = "REELKIT_SITE"

SiteOption = Annotated[
    Path | None,
    Parameter(name="--site", env_var=SITE, show_default=False, help="The site's folder; by default the one you are in."),
]
JsonOption = Annotated[bool, Parameter(name="--json", negative="", show_default=False, help="Print JSON, for programs.")]


def site_folder(folder: Path | None) -> Path:
    """Return the folder that was meant, absolute. Raises CommandFailed when nobody said and this is none."""
    if folder is None:
        if not Path(SITE_FILE).is_file():
            raise CommandFailed("which site? Not this folder. Name one: --site DIR. Or make one: reelkit site new DIR")
        folder = Path()
    return folder.absolute()


def open_site(folder: Path | None) -> Site:
    """Read the site that was meant. Raises CommandFailed, SiteInvalid."""
    return load_site(site_folder(folder))


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout. Nothing is cut or wrapped: an id that is cut is of no use."""
    table = [titles, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(titles))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())  # noqa: T201 - see above


def print_json(value: Any) -> None:
    """Print one JSON document on stdout, indented."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value)).decode())  # noqa: T201 - what a command is for
