"""`reelkit site`: new sites from the skeleton in templates/site."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from reelkit.access.keys import new_secret
from reelkit.cli.failure import CommandFailed
from reelkit.shipped import templates
from reelkit.site import SITE_FILE, load_site
from reelkit.site_secrets import open_secrets

__all__ = ["new"]


def new(folder: Annotated[Path, Parameter(name="DIR", help="A folder that is empty or does not exist yet.")], /) -> None:
    """Make a new site: a site.toml that explains itself, a folder for plugins, a secret to sign with, a public key.

    For example:

        reelkit site new mysite
        reelkit serve --site mysite
    """
    folder = folder.absolute()
    if (folder / SITE_FILE).exists():
        raise CommandFailed(f"{folder} is a site already. Serve it with: reelkit serve --site {folder}")
    if folder.exists() and any(folder.iterdir()):
        raise CommandFailed(f"{folder} is not empty. Name a folder that is, or one that does not exist yet.")
    shutil.copytree(templates() / "site", folder, dirs_exist_ok=True)
    site_file = folder / SITE_FILE
    public = new_secret("production")
    text = site_file.read_text("utf-8").replace("PUBLIC_KEY", public).replace("NAME", _name(folder))
    site_file.write_text(text, "utf-8")
    # Read back, so that a skeleton that does not fit this version fails here and not at the first start.
    open_secrets(load_site(folder, {}), {})
    print(f"{folder} is ready. Serve it with: reelkit serve --site {folder}")  # noqa: T201 - what a command is for
    print(f"Its public API key, to try the API with: {public} (see [access] in site.toml)")  # noqa: T201 - as above


def _name(folder: Path) -> str:
    return "".join(letter for letter in folder.name if letter.isalnum() or letter in " ._-") or "reelkit"
