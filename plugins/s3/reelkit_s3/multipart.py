"""Multipart uploads of S3: the requests, one function each.

Amazon S3 API reference: CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload,
ListMultipartUploads.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from reelkit.interfaces.storage import KeyTaken, NotStored, Part, StorageError, StorageUnavailable

from reelkit_s3.client import Client, Refused, storage_error

__all__ = ["abort_upload", "complete_upload", "create_upload", "forget_uploads", "is_made_of", "put_part", "stream_part"]


async def create_upload(client: Client, key: str) -> str:
    """Open an upload and return its id. Raises StorageError."""
    try:
        answer = await client.send("POST", key, {"uploads": ""})
    except Refused as refused:
        raise storage_error(key, refused.status, refused.code) from None
    found = ElementTree.fromstring(answer.content).findtext("{*}UploadId")  # noqa: S314 - the service is trusted
    if not found:
        raise StorageUnavailable(key, "the service gave no upload id")
    return found


async def put_part(client: Client, key: str, upload: str, number: int, blocks: Sequence[bytes]) -> Part:
    """Store one part from memory. Raises NotStored for an unknown upload, StorageError."""
    try:
        answer = await client.send("PUT", key, {"partNumber": str(number), "uploadId": upload}, blocks=blocks)
    except Refused as refused:
        raise upload_error(key, refused) from None
    return Part(number, sum(len(block) for block in blocks), answer.headers["etag"])


async def stream_part(client: Client, key: str, upload: str, number: int, body: AsyncIterable[bytes], size: int) -> Part:
    """Store one part of known size as it comes. Raises NotStored for an unknown upload, StorageError."""
    query = {"partNumber": str(number), "uploadId": upload}
    try:
        answer = await client.send("PUT", key, query, stream=body, size=size)
    except Refused as refused:
        raise upload_error(key, refused) from None
    return Part(number, size, answer.headers["etag"])


async def complete_upload(client: Client, key: str, upload: str, parts: Sequence[Part], *, conditional: bool) -> None:
    """Make the object. conditional: only if no object has the key. Raises NotStored, KeyTaken, StorageError."""
    root = ElementTree.Element("CompleteMultipartUpload", xmlns="http://s3.amazonaws.com/doc/2006-03-01/")
    for part in parts:
        element = ElementTree.SubElement(root, "Part")
        ElementTree.SubElement(element, "PartNumber").text = str(part.number)
        ElementTree.SubElement(element, "ETag").text = part.tag
    headers = {"content-type": "application/xml"}
    if conditional:
        headers["if-none-match"] = "*"
    try:
        await client.send("POST", key, {"uploadId": upload}, blocks=[ElementTree.tostring(root)], headers=headers)
    except Refused as refused:
        # After a lost answer the second try is refused, because the first one had completed it.
        refused_twice = refused.status in (409, 412) or refused.code == "NoSuchUpload"
        if refused_twice and await is_made_of(client, key, parts):
            return
        if refused.status in (409, 412):
            raise KeyTaken(key) from None
        raise upload_error(key, refused) from None


async def abort_upload(client: Client, key: str, upload: str) -> None:
    """Forget an upload; an unknown one is no error. Raises StorageError."""
    try:
        await client.send("DELETE", key, {"uploadId": upload})
    except Refused as refused:
        if refused.status not in (400, 404):
            raise storage_error(key, refused.status, refused.code) from None


async def forget_uploads(client: Client, hours: float) -> int:
    """Abort the uploads that were begun so long ago; return how many. Raises StorageError."""
    before = datetime.now(UTC) - timedelta(hours=hours)
    query = {"uploads": "", "prefix": client.full_key("")}
    gone = 0
    while True:
        try:
            answer = await client.send("GET", "", query)
        except Refused as refused:
            raise storage_error("uploads", refused.status, refused.code) from None
        page = ElementTree.fromstring(answer.content)  # noqa: S314 - the service is trusted
        for found in page.iterfind("{*}Upload"):
            key, upload = found.findtext("{*}Key", ""), found.findtext("{*}UploadId", "")
            begun = datetime.fromisoformat(found.findtext("{*}Initiated", "9999-01-01T00:00:00Z"))
            if begun <= before and key.startswith(client.full_key("")):
                with suppress(StorageError):
                    await abort_upload(client, key.removeprefix(client.full_key("")), upload)
                    gone += 1
        if page.findtext("{*}IsTruncated") != "true":
            return gone
        query["key-marker"] = page.findtext("{*}NextKeyMarker", "")
        query["upload-id-marker"] = page.findtext("{*}NextUploadIdMarker", "")


def upload_error(key: str, refused: Refused) -> StorageError:
    """Return the error for an answer about an upload."""
    if refused.code in ("NoSuchUpload", "InvalidPart") or (refused.status == 404 and refused.code != "NoSuchBucket"):
        return NotStored(key, refused.code)
    return storage_error(key, refused.status, refused.code)


def joined_etag(parts: Sequence[Part]) -> str:
    """Return the ETag that S3 gives to an object of these parts, where the parts' tags are MD5 digests; else empty."""
    try:
        digests = b"".join(bytes.fromhex(part.tag.strip('"')) for part in parts)
    except ValueError:
        return ""
    return f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"'


async def is_made_of(client: Client, key: str, parts: Sequence[Part]) -> bool:
    """Tell whether the object is there and was made of just these parts."""
    etag = joined_etag(parts)
    try:
        answer = await client.send("HEAD", key, {})
    except Refused:
        return False
    return bool(etag) and answer.headers.get("etag") == etag
