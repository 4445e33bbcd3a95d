"""`reelkit serve`: check the site, then become the server."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from reelkit.cli import server
from reelkit.cli.failure import CommandFailed
from reelkit.cli.options import SITE, SiteOption, open_site, site_folder
from reelkit.cli.private_valkey import ValkeyMissing, start_private_valkey
from reelkit.plugins import NO_PLUGINS, load_plugins
from reelkit.site import Site
from reelkit.site_secrets import open_secrets

__all__ = ["serve"]

BASE_URL = "REELKIT_SITE__BASE_URL"
VALKEY_URL = "REELKIT_VALKEY__URL"
EVERY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound


def serve(
    *,
    site: SiteOption = None,
    host: Annotated[str, Parameter(help="The address to listen at; 0.0.0.0 for every one of this machine.")] = "127.0.0.1",
    port: Annotated[
        int, Parameter(validator=validators.Number(gte=0, lte=65535), help="The port to listen at; 0 takes a free one.")
    ] = 8000,
    workers: Annotated[
        int, Parameter(validator=validators.Number(gte=1, lte=256), help="Processes that answer requests.")
    ] = 1,
    no_plugins: Annotated[bool, Parameter(negative="", show_default=False, help="Leave third-party plugins out.")] = False,
) -> None:
    """Serve a site until it is stopped with Ctrl-C or SIGTERM.

    The first start makes what is missing: the database, the folder for media, the secrets. Examples:

        reelkit serve --site mysite
        reelkit serve --site mysite --host 0.0.0.0 --port 80 --workers 4
    """
    if not host:
        raise CommandFailed(
            "--host is empty. Take 127.0.0.1 for this machine only, 0.0.0.0 for all its addresses", exit_code=2
        )
    folder = site_folder(site)
    port = _free_port(host, port)
    if no_plugins:
        os.environ[NO_PLUGINS] = "1"
    os.environ[SITE] = str(folder)
    # What is found wrong here is told in a sentence; in a worker it would be told by each of them.
    loaded = open_site(folder)
    if ("site", "base_url") not in {*loaded.origins.lines, *loaded.origins.variables}:
        os.environ[BASE_URL] = f"http://{_in_url(host)}:{port}"
        loaded = open_site(folder)
        if host in EVERY_ADDRESS:
            sys.stderr.write(
                f"reelkit: links lead to {loaded.site.base_url}, which is this machine alone. For everybody else, write the "
                "address that they use into site.toml: [site] base_url\n"
            )
    plugins = load_plugins(loaded)
    try:
        plugins.player().assets()
    except FileNotFoundError as unbuilt:
        raise CommandFailed(str(unbuilt)) from None
    for warning in plugins.warnings:
        sys.stderr.write(f"reelkit: {warning}\n")
    open_secrets(loaded)
    if workers > 1 and not loaded.valkey.url:
        _count_together(loaded)
    sys.stdout.flush()
    sys.stderr.flush()
    command = _command(host, port, workers, loaded.site.base_url)
    os.execve(sys.executable, command, _environment())  # noqa: S606 - no shell is what we want


def _count_together(site: Site) -> None:
    """Have the workers to be count rate limits in one place, or say that each will count by itself."""
    try:
        os.environ[VALKEY_URL] = start_private_valkey(site.data)
    except ValkeyMissing as missing:
        sys.stderr.write(
            f"reelkit: no Valkey for the rate limits of several workers ({missing}): each counts by itself, and a key may "
            "ask each of them as often as its tier says. Install reelkit[workers], or name one in site.toml: [valkey] url\n"
        )


def _command(host: str, port: int, workers: int, url: str) -> list[str]:
    options = ["--host", host, "--port", str(port), "--workers", str(workers), "--url", url]
    # -P: the folder of the file, which is no place to import from, stays off the path.
    return [sys.executable, "-P", str(Path(server.__file__)), *options]


def _environment() -> dict[str, str]:
    # glibc keeps an arena of freed memory per thread, numpy's BLAS a buffer: two and one keep an idle server small.
    return {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1", **os.environ}


def _free_port(host: str, port: int) -> int:
    """Return the port, or a free one for 0. Raises CommandFailed when it cannot be listened at.

    Granian binds with SO_REUSEPORT, by which two servers would share one port without a word.
    """
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        why = {
            errno.EADDRINUSE: f"port {port} is in use by another process. Take another one: --port {port + 1}",
            errno.EACCES: f"port {port} is for root only. Take one above 1023: --port 8000",
            errno.EADDRNOTAVAIL: f"{host} is not an address of this machine. Take --host 0.0.0.0 for all of them",
        }
        raise CommandFailed(why.get(error.errno or 0, f"cannot listen at {host} port {port}: {error.strerror}")) from None


def _in_url(host: str) -> str:
    if host in EVERY_ADDRESS:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
