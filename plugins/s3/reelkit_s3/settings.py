"""[plugins.s3]: which bucket, where, and with whose credentials."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import msgspec
from reelkit.interfaces.storage import KEY

__all__ = ["Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[plugins.s3]"""

    bucket: str = ""
    """The bucket's name; required."""
    endpoint: str = ""
    """Address of the service, such as https://s3.example.org; empty: Amazon's for the region."""
    region: str = "us-east-1"
    access_key: str = ""
    """Empty: AWS_ACCESS_KEY_ID and its companions, else the credentials of the container or the instance."""
    secret_key: str = ""
    prefix: str = ""
    """A folder of the bucket that everything is kept in, so that several sites can share a bucket."""
    allow_http: bool = False
    """Permit an endpoint without TLS."""
    path_style: bool = True
    """https://endpoint/bucket/key; false: https://bucket.endpoint/key."""
    public_endpoint: str = ""
    """Address of the same service for browsers, when they reach it by another name than this server does."""
    conditional_writes: Literal["auto", "complete", "put", "none"] = "auto"
    """What the service does atomically with If-None-Match. complete: also the end of a multipart upload (Amazon); put:
    single requests (MinIO, R2, SeaweedFS, Ceph), so a small marker object guards the end of a large one; none: a key is
    looked up before it is written, which two writers at the same moment slip through. auto: complete without an
    endpoint, else put."""
    timeout: float = 20.0
    """Seconds that the service may stay silent."""
    forget_uploads_hours: float = 168.0
    """An unfinished multipart upload begun so long ago is aborted."""

    def __repr__(self) -> str:
        """Tell the settings, but not the secret."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__}
        shown["secret_key"] = "…" if self.secret_key else ""
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def guards(self) -> Literal["complete", "put", "none"]:
        """How a key is kept from being written twice, as conditional_writes says."""
        if self.conditional_writes == "auto":
            return "put" if self.endpoint else "complete"
        return self.conditional_writes

    def check(self) -> None:
        """Raise ValueError, saying what would be right, for settings that cannot work together."""
        if not self.bucket:
            raise ValueError('[plugins.s3] names no bucket; add: bucket = "…"')
        if self.prefix and not KEY.match(self.prefix):
            raise ValueError(f"[plugins.s3] prefix = {self.prefix!r} is no folder; write it as media/site1")
        if bool(self.access_key) != bool(self.secret_key):
            raise ValueError("[plugins.s3] access_key and secret_key belong together; one of them is missing")
        for name in ("endpoint", "public_endpoint"):
            address = getattr(self, name)
            if not address:
                continue
            scheme, host, path, query, fragment = urlsplit(address)
            if scheme not in ("http", "https") or not host or path.strip("/") or query or fragment or "@" in host:
                raise ValueError(f"[plugins.s3] {name} is no address of a service; write it as https://host:port")
            if scheme == "http" and not self.allow_http:
                raise ValueError(f"[plugins.s3] {name} is not encrypted; use https://, or set allow_http = true")

    def base_url(self, *, public: bool = False) -> str:
        """Return the address of the bucket, without a slash at the end."""
        endpoint = (public and self.public_endpoint) or self.endpoint or f"https://s3.{self.region}.amazonaws.com"
        scheme, host, *_ = urlsplit(endpoint)
        return f"{scheme}://{host}/{self.bucket}" if self.path_style else f"{scheme}://{self.bucket}.{host}"
