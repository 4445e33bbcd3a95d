"""Whose credentials sign: the settings', the environment's, the container's or the instance's, in this order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import msgspec
from reelkit.interfaces.storage import StorageUnavailable

from reelkit_s3.settings import Settings
from reelkit_s3.signing import Credentials

if TYPE_CHECKING:
    from obstore.store import S3Credential

__all__ = ["CredentialSource"]

CONTAINER_HOST = "http://169.254.170.2"
INSTANCE_HOST = "http://169.254.169.254"
RENEW_BEFORE = timedelta(minutes=5)


class Issued(msgspec.Struct, rename={"access_key": "AccessKeyId", "secret_key": "SecretAccessKey"}):
    """Temporary credentials, as both metadata services tell them."""

    access_key: str
    secret_key: str
    Token: str
    Expiration: datetime

    def credentials(self) -> Credentials:
        """Return them as what signs."""
        return Credentials(self.access_key, self.secret_key, self.Token, self.Expiration)


class CredentialSource:
    """Finds the credentials and renews temporary ones 5 minutes before they end."""

    def __init__(self, settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._found: Credentials | None = None
        if settings.access_key:
            self._found = Credentials(settings.access_key, settings.secret_key)
        elif environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY"):
            self._found = Credentials(
                environment["AWS_ACCESS_KEY_ID"],
                environment["AWS_SECRET_ACCESS_KEY"],
                environment.get("AWS_SESSION_TOKEN", ""),
            )

    async def get(self) -> Credentials:
        """Return credentials that are valid now. Raises StorageUnavailable when there are none."""
        found = self._found
        if found is None or (found.expires and found.expires - RENEW_BEFORE < datetime.now(UTC)):
            try:
                found = self._found = await self._issued()
            except (httpx.HTTPError, msgspec.MsgspecError, OSError) as error:
                raise StorageUnavailable(
                    "credentials",
                    "there are none: set access_key and secret_key in [plugins.s3] or AWS_ACCESS_KEY_ID and "
                    f"AWS_SECRET_ACCESS_KEY; the machine's metadata service answered {type(error).__name__}",
                ) from error
        return found

    async def obstore(self) -> S3Credential:
        """Return them in obstore's form; it asks again when they end."""
        found = await self.get()
        return {
            "access_key_id": found.access_key,
            "secret_access_key": found.secret_key,
            "token": found.token or None,
            "expires_at": found.expires,
        }

    async def _issued(self) -> Credentials:
        """Ask the container's service when there is one, else the instance's. Raises HTTPError, MsgspecError, OSError."""
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            if url := self._container_url():
                token = self._environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
                if file := self._environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
                    token = Path(file).read_text("ascii").strip()  # noqa: ASYNC240 - a line, once in hours
                answer = await client.get(url, headers={"authorization": token} if token else {})
                return msgspec.json.decode(answer.raise_for_status().content, type=Issued).credentials()
            # Instance metadata service, version 2: a token first.
            host = self._environment.get("AWS_METADATA_ENDPOINT", INSTANCE_HOST).rstrip("/")
            answer = await client.put(f"{host}/latest/api/token", headers={"x-aws-ec2-metadata-token-ttl-seconds": "60"})
            headers = {"x-aws-ec2-metadata-token": answer.raise_for_status().text}
            roles = f"{host}/latest/meta-data/iam/security-credentials/"
            role = (await client.get(roles, headers=headers)).raise_for_status().text.split()[0]
            answer = (await client.get(roles + role, headers=headers)).raise_for_status()
            return msgspec.json.decode(answer.content, type=Issued).credentials()

    def _container_url(self) -> str:
        """Return where a container's credentials are, empty outside of one."""
        if path := self._environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
            return CONTAINER_HOST + path
        return self._environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
