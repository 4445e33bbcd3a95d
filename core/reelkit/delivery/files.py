"""Files of one video beside its HLS: the source as a download, the poster, the storyboard, captions and chapters."""

from __future__ import annotations

from email.utils import quote as quote_parameter
from urllib.parse import quote

import msgspec

from reelkit.catalog.playback import Playback
from reelkit.delivery.answering import Answer
from reelkit.delivery.conditional import entity_tag
from reelkit.delivery.library import Library
from reelkit.jobs.mp4 import MP4_CONTAINERS
from reelkit.problems import NotFound

__all__ = ["Files"]

SHORT = "public, max-age=60"
"""What may be replaced under the same address."""
HOSTILE = ((b"content-security-policy", b"default-src 'none'; sandbox"),)
"""The bytes are a stranger's. Should a browser ever take them for a page, it runs nothing."""


class Files:
    """Finds files by what viewers may see."""

    def __init__(self, library: Library) -> None:
        self._library = library

    async def source(self, view: Playback, download: bool) -> Answer:
        """Return the source as an MP4 file, or the one that was made of it. download: to be saved, not shown.

        Raises NotFound, NotStored.
        """
        source = view.source
        if source is None or source.probe is None or source.status != "ingested" or not view.video.mp4_support:
            raise NotFound(name="videoId", detail="This video has no MP4 file to download.")
        itself = source.probe.container in MP4_CONTAINERS
        if not itself and source.mp4_key is None:
            raise NotFound(name="videoId", detail="The MP4 file of this video is not made yet.")
        headers: tuple[tuple[bytes, bytes], ...] = HOSTILE
        if download:
            headers = (*HOSTILE, (b"content-disposition", attachment(f"{view.video.title}.mp4")))
        if itself or source.mp4_key is None:
            body = await self._library.stored(source.storage_key, source.size)
            return Answer(body, "video/mp4", entity_tag(source.id, source.checksum), SHORT, headers)
        body = await self._library.stored(source.mp4_key, source.mp4_size)
        return Answer(body, "video/mp4", entity_tag(source.mp4_key), SHORT, headers)

    async def poster(self, view: Playback) -> Answer:
        """Return the picture that the owner chose, else the poster of the source. Raises NotFound, NotStored."""
        key = view.video.thumbnail_key or (None if view.source is None else view.source.poster_key)
        if key is None:
            raise NotFound(name="videoId", detail="This video has no thumbnail yet.")
        return await self._image(key, "image/jpeg")

    async def storyboard(self, view: Playback, name: str) -> Answer:
        """Return storyboard.vtt, or a sheet by the name that it has in there. Raises NotFound, NotStored."""
        source = view.source
        if source is not None and name == "storyboard.vtt" and source.storyboard_vtt_key is not None:
            cues = await self._image(source.storyboard_vtt_key, "text/vtt; charset=utf-8")
            return msgspec.structs.replace(cues, links=True)
        for key in source.storyboard_keys if source is not None else ():
            if key.rpartition("/")[2] == name:
                return await self._image(key, "image/jpeg")
        raise NotFound(name="videoId", detail="This video has no such storyboard.")

    async def text(self, view: Playback, kind: str, language: str) -> Answer:
        """Return the captions or chapters of a language, as they were given. kind: of text_tracks. Raises NotFound."""
        track = next((one for one in view.texts if (one.kind, one.language) == (kind, language)), None)
        if track is None:
            raise NotFound(name="language")
        body = await self._library.stored(track.storage_key, track.size)
        return Answer(body, "text/vtt; charset=utf-8", entity_tag(track.storage_key), SHORT, HOSTILE)

    async def _image(self, key: str, content_type: str) -> Answer:
        return Answer(await self._library.stored(key), content_type, entity_tag(key), SHORT)


def attachment(filename: str) -> bytes:
    """Return a Content-Disposition that saves under a name; RFC 6266, with a fallback for old clients."""
    clean = "".join(char if char.isprintable() and char not in '/\\:*?"<>|' else "_" for char in filename)[-150:]
    plain = clean.encode("ascii", "replace").decode().replace("?", "_")
    return f"attachment; filename=\"{quote_parameter(plain)}\"; filename*=UTF-8''{quote(clean, safe='')}".encode()
