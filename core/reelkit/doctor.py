"""What a site needs, looked at one by one: what is well, what is not, and how to mend it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from reelkit.access.countries import Countries
from reelkit.plugins import PluginRefused, Plugins, load_plugins
from reelkit.site import Site
from reelkit.site_secrets import secrets_file

__all__ = ["Finding", "examine"]

State = Literal["ok", "warn", "fail"]

NEEDED_ENCODERS = ("libx264", "aac")
NEEDED_FILTERS = ("scale", "split", "overlay", "zscale", "tonemap")
FREE_WARN, FREE_FAIL = 10 * 1024**3, 1024**3
"""Bytes that should be free where media goes."""
WRITE_TEST = 32 * 1024 * 1024
SLOW_WRITE = 30 * 1024 * 1024
"""Bytes a second; below, an upload waits for the disk."""
SKEW_WARN, SKEW_FAIL = 1.0, 5.0
"""Seconds between two clocks. Tokens and leases are compared across machines."""
TIME_LIMIT = 15.0
"""Seconds that one look may take."""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the doctor's. found: what is; mend: what to do, unless it is well."""

    name: str
    state: State
    found: str
    mend: str = ""


Look = Callable[[], Awaitable[list[Finding]]]


async def examine(site: Site) -> list[Finding]:
    """Look at everything; a look that fails or hangs is a finding, too."""
    findings = [_address(site), _secrets(site)]
    plugins, found = _plugins(site)
    findings.append(found)
    looks: dict[str, Look] = {
        "ffmpeg": _ffmpeg,
        "disk": lambda: asyncio.to_thread(_disk, site),
        "database": lambda: _database(site),
    }
    if site.valkey.url:
        looks["valkey"] = lambda: _valkey(site)
    if plugins is not None and site.playback.allowed_countries and not Countries(plugins).known:
        mend = "Configure a plugin that does, e.g. [plugins.geoip] file, or take allowed_countries out of [playback]."
        findings.append(Finding("countries", "fail", "no plugin tells the countries of viewers, so nobody can watch", mend))
    if plugins is not None:
        looks["storage"] = lambda: _storage(plugins)
        looks |= {f"plugin {check.name}": _plugin_check(check.name, check.check) for check in plugins.health_checks()}
    for name, look in looks.items():
        try:
            findings += await asyncio.wait_for(look(), TIME_LIMIT)
        except TimeoutError:
            findings.append(Finding(name, "fail", f"did not answer within {TIME_LIMIT:g} s", "See what it waits for."))
        except Exception as error:
            findings.append(Finding(name, "fail", str(error) or type(error).__name__, _mend(name)))
    if not any(finding.name == "clock" for finding in findings):
        findings.append(await asyncio.to_thread(_own_clock))
    return findings


def _mend(name: str) -> str:
    return {
        "database": "Check [database] url in site.toml, and that the server is up.",
        "disk": "Let this user write to data/ of the site: chown, chmod, or mount the disk for writing.",
        "storage": "Check the storage's section in site.toml; see: reelkit plugins check",
        "valkey": "Check [valkey] url in site.toml, and that the server is up.",
        "ffmpeg": "Unset IMAGEIO_FFMPEG_EXE, or point it at an ffmpeg that runs."
        if os.environ.get("IMAGEIO_FFMPEG_EXE")
        else "Reinstall it: pip install --force-reinstall imageio-ffmpeg",
    }.get(name, "")


def _address(site: Site) -> Finding:
    url = site.site.base_url
    parts = urlsplit(url)
    if parts.hostname in ("localhost", "127.0.0.1", "::1"):
        return Finding("address", "ok", f"{url}, for this machine only")
    if parts.scheme == "http":
        mend = "Put a server that speaks TLS in front and write https:// into [site] base_url."
        return Finding("address", "warn", f"{url} is not encrypted: keys and tokens can be read on the way", mend)
    return Finding("address", "ok", url)


def _secrets(site: Site) -> Finding:
    if os.environ.get("REELKIT_SECRET") or os.environ.get("REELKIT_SECRETS"):
        return Finding("secrets", "ok", "from the environment")
    file = secrets_file(site)
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except FileNotFoundError:
        return Finding("secrets", "ok", "none yet; the first start makes them")
    if mode & 0o077:
        return Finding("secrets", "fail", f"{file} can be read by others (mode {mode:o})", f"chmod 600 {file}")
    return Finding("secrets", "ok", f"{file}, mode {mode:o}")


def _plugins(site: Site) -> tuple[Plugins | None, Finding]:
    try:
        plugins = load_plugins(site)
    except PluginRefused as refused:
        return None, Finding("plugins", "fail", "; ".join(refused.faults), "Mend what is named; see: reelkit plugins list")
    plugins.routes()
    try:
        plugins.player().assets()
    except FileNotFoundError as unbuilt:
        return plugins, Finding("plugins", "fail", str(unbuilt), "The site does not start before that.")
    broken = [f"{each.name}: {each.last_error}" for each in plugins.report() if each.errors]
    if broken or plugins.warnings:
        return plugins, Finding("plugins", "warn", "; ".join([*broken, *plugins.warnings]), "See: reelkit plugins trace")
    chosen = ", ".join(plugins.chosen(part) for part in ("storage", "transcoder", "player"))
    return plugins, Finding("plugins", "ok", f"{len(plugins.names)} fit; in use: {chosen}")


def _plugin_check(name: str, check: Callable[[], Awaitable[None]]) -> Look:
    async def look() -> list[Finding]:
        await check()
        return [Finding(f"plugin {name}", "ok", "well")]

    return look


async def _ffmpeg() -> list[Finding]:
    import imageio_ffmpeg

    program = imageio_ffmpeg.get_ffmpeg_exe()
    version = (await _say(program, "-version")).split()
    encoders = set(re.findall(r"^ [A-Z.]{6} (\S+)", await _say(program, "-encoders"), re.MULTILINE))
    filters = set(re.findall(r"^ [A-Z.]+ (\S+) +\S+->", await _say(program, "-filters"), re.MULTILINE))
    missing = [name for name in NEEDED_ENCODERS if name not in encoders]
    missing += [name for name in NEEDED_FILTERS if name not in filters]
    mend = "Unset IMAGEIO_FFMPEG_EXE, or point it at an ffmpeg that has them."
    if missing:
        return [Finding("ffmpeg", "fail", f"{program} lacks {', '.join(missing)}", mend)]
    extra = [name for name in ("libx265", "libsvtav1") if name in encoders]
    findings = [Finding("ffmpeg", "ok", f"{' '.join(version[1:3])}: {', '.join([*NEEDED_ENCODERS, *extra])}")]
    # That a codec is listed is not yet that it runs on this processor.
    picture = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=1", "-f", "lavfi", "-i", "sine=duration=1"]
    start = time.perf_counter()
    await _say(program, "-nostdin", "-v", "error", *picture, "-c:v", "libx264", "-c:a", "aac", "-f", "null", "-")
    return [*findings, Finding("encoding", "ok", f"1 s of H.264 and AAC in {time.perf_counter() - start:.2f} s")]


async def _say(program: str, *arguments: str) -> str:
    ran = await asyncio.to_thread(
        subprocess.run,
        [program, *arguments],
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
        errors="replace",
    )
    if ran.returncode:
        raise RuntimeError(f"{program} failed: {(ran.stderr or ran.stdout).strip()[-300:]}")
    return ran.stdout


def _disk(site: Site) -> list[Finding]:
    folder = site.data
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    mend = f"Make room, or put {folder} on a larger disk."
    state: State = "fail" if free < FREE_FAIL else "warn" if free < FREE_WARN else "ok"
    findings = [Finding("disk space", state, f"{free / 1024**3:.1f} GiB free at {folder}", "" if state == "ok" else mend)]
    if free < 4 * WRITE_TEST:
        return findings
    speed = _write_speed(folder)
    slow = speed < SLOW_WRITE
    found = f"{speed / 1024**2:.0f} MiB/s written and synced"
    return [
        *findings,
        Finding("disk speed", "warn" if slow else "ok", found, "Use a faster disk for data/." if slow else ""),
    ]


def _write_speed(folder: Path) -> float:
    """Return bytes a second of one file written and synced, which is removed again."""
    file = folder / f".doctor-{os.getpid()}"
    block = os.urandom(1024 * 1024)
    start = time.perf_counter()
    try:
        with file.open("xb") as out:
            for _ in range(WRITE_TEST // len(block)):
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
        return WRITE_TEST / (time.perf_counter() - start)
    finally:
        file.unlink(missing_ok=True)


async def _database(site: Site) -> list[Finding]:
    from reelkit.catalog.database import open_database

    database = await open_database(site)
    try:
        start = time.perf_counter()
        pending = await database.pending()
        took = (time.perf_counter() - start) * 1000
        findings = [Finding("database", "ok", f"{database.kind}, answers in {took:.1f} ms")]
        if pending:
            embedded = database.kind == "sqlite"
            found = f"{len(pending)} migration(s) are to run"
            mend = "The next start runs them." if embedded else "Run: reelkit migrate"
            findings = [Finding("database", "warn" if embedded else "fail", found, mend)]
        if database.kind == "postgres":
            before = datetime.now(UTC)
            (row,) = await database.fetch("SELECT clock_timestamp() AS now")
            findings.append(_skew(row["now"], before, datetime.now(UTC)))
        return findings
    finally:
        await database.close()


async def _valkey(site: Site) -> list[Finding]:
    from valkey.asyncio import Valkey

    from reelkit.access.shared_calls import MEANWHILE

    client = Valkey.from_url(site.valkey.url)
    try:
        start = time.perf_counter()
        await client.ping()
        took = (time.perf_counter() - start) * 1000
    except Exception as error:
        found = f"{error or type(error).__name__} Meanwhile {MEANWHILE[site.valkey.when_down]}."
        return [Finding("valkey", "fail", found, _mend("valkey"))]
    finally:
        await client.aclose()
    return [Finding("valkey", "ok", f"answers in {took:.1f} ms")]


async def _storage(plugins: Plugins) -> list[Finding]:
    storage = plugins.storage()
    start = time.perf_counter()
    try:
        await storage.check()
    finally:
        await storage.close()
    took = (time.perf_counter() - start) * 1000
    return [Finding("storage", "ok", f"{plugins.chosen('storage')} writes and reads in {took:.0f} ms")]


def _skew(theirs: datetime, before: datetime, after: datetime) -> Finding:
    """Compare the database's clock with ours, which was read before and after."""
    off = (
        0.0
        if before <= theirs <= after
        else min(abs((theirs - before).total_seconds()), abs((theirs - after).total_seconds()))
    )
    state: State = "fail" if off >= SKEW_FAIL else "warn" if off >= SKEW_WARN else "ok"
    mend = "" if state == "ok" else "Set the clocks by NTP: timedatectl set-ntp true"
    return Finding("clock", state, f"{off:.1f} s apart from the database's", mend)


def _own_clock() -> Finding:
    """Look whether this machine's clock shows a time that can be and runs evenly."""
    wall, steady = time.time(), time.monotonic()
    time.sleep(0.2)
    drift = abs((time.time() - wall) - (time.monotonic() - steady))
    mend = "Set the clock by NTP: timedatectl set-ntp true"
    # Nothing of this program is older than itself.
    if datetime.fromtimestamp(wall, UTC) < datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC):
        return Finding(
            "clock", "fail", f"it is {datetime.fromtimestamp(wall, UTC):%Y-%m-%d %H:%M} UTC, before reelkit was made", mend
        )
    if drift > 0.05:
        return Finding("clock", "warn", f"it jumped by {drift:.2f} s within 0.2 s", mend)
    return Finding("clock", "ok", f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, runs evenly")
