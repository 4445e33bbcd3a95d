"""AWS Signature Version 4 for S3: headers of a request, and URLs that carry their own permission."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import msgspec

__all__ = ["UNSIGNED", "Credentials", "presigned_url", "signed_headers"]

UNSIGNED = "UNSIGNED-PAYLOAD"
"""The payload hash of a body that is not covered by the signature."""


class Credentials(msgspec.Struct, frozen=True):
    """Who signs. token: of temporary credentials; expires: when they end, None for never."""

    access_key: str
    secret_key: str
    token: str = ""
    expires: datetime | None = None

    def __repr__(self) -> str:
        """Tell the public half only."""
        return f"Credentials({self.access_key!r}, …)"


def signed_headers(
    method: str,
    url: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    payload_hash: str,
    credentials: Credentials,
    region: str,
    *,
    now: datetime | None = None,
) -> dict[str, str]:
    """Return the headers to send, with `authorization`. url: without query; headers: lower case; payload_hash: hex
    SHA-256 of the body or UNSIGNED.

    AWS Signature Version 4, "Authenticating Requests: Using the Authorization Header".
    """
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    signed = {**headers, "host": urlsplit(url).netloc, "x-amz-date": moment, "x-amz-content-sha256": payload_hash}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(signed))
    request = canonical_request(method, url, query, signed, payload_hash)
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    signature = sign(request, moment, scope, credentials)
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return signed


def presigned_url(
    method: str,
    url: str,
    query: Mapping[str, str],
    credentials: Credentials,
    region: str,
    expires: int,
    *,
    now: datetime | None = None,
) -> str:
    """Return url with its permission in the query. expires: seconds, at most 604800 (a week).

    AWS Signature Version 4, "Authenticating Requests: Using Query Parameters".
    """
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    whole = {
        **query,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(expires),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.token:
        whole["X-Amz-Security-Token"] = credentials.token
    request = canonical_request(method, url, whole, {"host": urlsplit(url).netloc}, UNSIGNED)
    return f"{url}?{canonical_query(whole)}&X-Amz-Signature={sign(request, moment, scope, credentials)}"


def canonical_query(query: Mapping[str, str]) -> str:
    """Return a query string in the order and encoding that is signed, to be sent as it stands."""
    return "&".join(f"{quote(name, safe='-_.~')}={quote(query[name], safe='-_.~')}" for name in sorted(query))


def canonical_request(method: str, url: str, query: Mapping[str, str], headers: Mapping[str, str], payload_hash: str) -> str:
    """Return the text that stands for a request."""
    path = quote(urlsplit(url).path or "/", safe="/-_.~")
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers))
    return "\n".join([method, path, canonical_query(query), lines, ";".join(sorted(headers)), payload_hash])


def sign(request: str, moment: str, scope: str, credentials: Credentials) -> str:
    """Return the signature of a canonical request."""
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
