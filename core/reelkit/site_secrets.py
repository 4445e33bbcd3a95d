"""The secrets that a site signs with: made on first start, or given by the environment; never shown."""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from reelkit.site import Site, SiteInvalid

__all__ = ["MINIMUM_LENGTH", "Secrets", "open_secrets", "secrets_file", "signing_keys"]

MINIMUM_LENGTH = 32
"""Characters; what the file is made with has 64."""


class Secrets:
    """A site's secrets, newest first. The newest signs, all of them verify, so that one can be replaced without a break."""

    __slots__ = ("_newest_first",)

    def __init__(self, newest_first: list[str]) -> None:
        self._newest_first = tuple(newest_first)

    @property
    def signing(self) -> str:
        """The secret to sign with."""
        return self._newest_first[0]

    @property
    def verifying(self) -> tuple[str, ...]:
        """Every secret that a signature may have been made with, newest first."""
        return self._newest_first

    def __repr__(self) -> str:
        return f"<Secrets: {len(self._newest_first)}, not shown>"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("secrets are not pickled: open them in each process")


class _File(msgspec.Struct, forbid_unknown_fields=True):
    secrets: list[str]


def secrets_file(site: Site) -> Path:
    """Return where a site keeps its secrets."""
    return site.data / "secrets.json"


def open_secrets(site: Site, environ: Mapping[str, str] = os.environ) -> Secrets:
    """Return the site's secrets; make them, readable by this user only, if there are none.

    `REELKIT_SECRET` (one) or `REELKIT_SECRETS` (a JSON list, newest first) take the place of the file, which a cluster
    needs: every machine must have the same. Two processes that start at once agree on one file. Raises SiteInvalid.
    """
    if listed := environ.get("REELKIT_SECRETS"):
        try:
            return _checked(msgspec.json.decode(listed, type=list[str]), "environment variable REELKIT_SECRETS")
        except msgspec.MsgspecError:
            raise SiteInvalid(["environment variable REELKIT_SECRETS: must be a JSON list of texts, newest first"]) from None
    if one := environ.get("REELKIT_SECRET"):
        return _checked([one], "environment variable REELKIT_SECRET")
    file = secrets_file(site)
    try:
        if not file.exists():
            _create(file)
        return _checked(msgspec.json.decode(file.read_bytes(), type=_File).secrets, str(file))
    except OSError as error:
        raise SiteInvalid([f"{file} cannot be read or made: {error.strerror}"]) from None
    except msgspec.MsgspecError:
        raise SiteInvalid([f'{file}: must be JSON such as {{"secrets": ["…"]}}, newest first']) from None


def signing_keys(site: Site, purpose: str) -> tuple[bytes, ...]:
    """Return keys of 32 bytes for one purpose, newest first: sign with the first, believe what any of them signed.

    What is signed for one purpose passes for no other. Reads a file, so not in an event loop. Raises SiteInvalid.
    """
    purpose_bytes = b"reelkit plugin " + purpose.encode()
    return tuple(hmac.digest(secret.encode(), purpose_bytes, "sha256") for secret in open_secrets(site).verifying)


def _checked(found: list[str], where: str) -> Secrets:
    if not found:
        raise SiteInvalid([f"{where}: holds no secret"])
    if any(len(each) < MINIMUM_LENGTH for each in found):
        raise SiteInvalid(
            [f"{where}: each secret needs at least {MINIMUM_LENGTH} characters. Make one with: openssl rand -hex 32"]
        )
    return Secrets(found)


def _create(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(_File([secrets.token_hex(32)]))) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        # A link, not a rename: of two processes the second must take over the first one's secret, not replace it.
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink()
