"""Media under /vod/: a small ASGI application in front of the framework, which would halve the rate of segments."""

from __future__ import annotations

from typing import ClassVar

import structlog

from reelkit.access.admission import Admission, Admitted
from reelkit.access.metering import Meter, metered
from reelkit.access.principal import Principal
from reelkit.access.streams import Streams
from reelkit.access.viewer import Viewer
from reelkit.catalog.errors import DatabaseError
from reelkit.catalog.playback import Playback
from reelkit.delivery.answering import answer, answer_allowed, answer_elsewhere, answer_empty, answer_json, answer_problem
from reelkit.delivery.asgi import ROUTE, App, Receive, Scope, Send
from reelkit.delivery.files import Files
from reelkit.delivery.library import Library
from reelkit.delivery.places import PLAYLIST_ROUTE, SOURCE_ROUTE, Place, Places
from reelkit.delivery.private import not_shared, private
from reelkit.delivery.segments import Segments
from reelkit.delivery.texts import Texts
from reelkit.delivery.viewers import CASE, viewer_of
from reelkit.interfaces.storage import NotStored, StorageError
from reelkit.jobs.laziness import Attention
from reelkit.problems import MethodNotAllowed, NotFound, NotReady, Problem, StorageFailing

__all__ = ["Front"]

log = structlog.get_logger("reelkit.delivery")

ALLOWED = "GET, HEAD, OPTIONS"


class _OnlyRead(MethodNotAllowed):
    """Media is not changed at its addresses."""

    headers: ClassVar = {"allow": ALLOWED}


class Front:
    """Serves /vod/{videoId}/…; all else is for the application behind it, which also answers until `open` was called."""

    def __init__(self, behind: App) -> None:
        self._behind = behind
        self._library: Library | None = None

    def open(self, library: Library, admission: Admission, streams: Streams, meter: Meter, attention: Attention) -> None:
        """Begin to serve."""
        self._places = Places(Segments(library), Files(library))
        self._texts = Texts()
        self._admission = admission
        self._streams = streams
        self._meter = meter
        self._attention = attention
        self._library = library

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # /vod/{videoId} itself is a page.
        if (
            scope["type"] != "http"
            or self._library is None
            or not scope["path"].startswith("/vod/")
            or "/" not in scope["path"][5:]
        ):
            await self._behind(scope, receive, send)
            return
        try:
            await self._serve(scope, receive, send, self._library)
        except Problem as problem:
            await answer_problem(scope, send, problem)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, library: Library) -> None:
        place = self._places.at(scope["path"], scope["query_string"])
        scope[ROUTE] = place.template
        if scope["method"] not in ("GET", "HEAD"):
            if scope["method"] == "OPTIONS":
                await answer_allowed(send, ALLOWED)
                return
            raise _OnlyRead
        try:
            view = await library.view(place.video_id)
            if view is None:
                raise NotFound(name="videoId")
            viewer = viewer_of(scope, place.what)
            admitted = await self._admission.admit(view.video, viewer, place.token)
            if admitted.principal is not None:
                send = await self._count(viewer, admitted, place, send)
            if admitted.token_key is not None:
                await self._redeem(scope, receive, send, view, admitted, place)
                return
            session = self._admission.carry(view.video, admitted)
            if place.find is None:
                if session is None:
                    raise NotFound(name="videoId")
                await answer_json(scope, send, {"session_token": session})
            elif (
                place.route == SOURCE_ROUTE and session is not None and admitted.session is None and viewer.token is not None
            ):
                await _elsewhere(scope, send, "source.mp4", session)
            else:
                found = self._texts.get(scope["path"], session, view)
                if found is None:
                    found = await place.find(view)
                    if found is not None and session is not None:
                        found = await private(found, session)
                    elif found is not None and admitted.limited:
                        found = not_shared(found)
                    if found is not None:
                        self._texts.keep(scope["path"], session, view, found)
                if found is None:
                    await _not_yet(send)
                else:
                    await answer(scope, receive, send, found)
            if view.lazy and place.route == PLAYLIST_ROUTE and not viewer.case.explains:
                await self._attention.watched(view)
        except NotStored as error:
            # A rendition that was just replaced, or a video that was just deleted; anything else is worth a look.
            log.warning("media is gone", video=place.video_id, key=error.key)
            library.forget(place.video_id)
            raise NotFound(name="videoId") from error
        except StorageError as error:
            log.error("storage failed", video=place.video_id, error=str(error))
            raise StorageFailing from error
        except DatabaseError as error:
            log.error("database failed", video=place.video_id, error=str(error))
            raise NotReady from error

    async def _count(self, viewer: Viewer, admitted: Admitted, place: Place, send: Send) -> Send:
        """Take a place of the key that somebody watches on, and return a send that counts for it. Raises Problem."""
        principal = admitted.principal
        assert principal is not None
        if viewer.case.explains:
            await self._explain_count(viewer, principal)
            return send
        # A manifest or a token only leads there, by a session that names the viewer from then on.
        if place.plays and admitted.token_key is None:
            await self._streams.hold(principal, admitted.viewer or viewer.client)
        await self._meter.check(principal)
        return metered(send, lambda count: self._meter.charge(principal, count))

    async def _explain_count(self, viewer: Viewer, principal: Principal) -> None:
        """Note whether a key may take more bytes; no place is taken, so nothing is said of those."""
        try:
            await self._meter.check(principal)
        except Problem as problem:
            viewer.case.refused("bytes", problem, problem.detail or problem.title)
            raise
        viewer.case.passed("bytes", "The key has not taken all bytes of its tier this month.")

    async def _redeem(
        self, scope: Scope, receive: Receive, send: Send, view: Playback, admitted: Admitted, place: Place
    ) -> None:
        """Answer the first request that comes with a token, and open its session. HEAD leaves the token as it is."""
        found = None if place.find is None else await place.find(view)
        if found is None and place.find is not None:
            # Nothing was given for it, so it stays good: the uploader asks for the manifest until there is one.
            await _not_yet(send)
            return
        session = await self._admission.redeem(view.video, admitted, place.token or "", look=scope["method"] == "HEAD")
        rest = place.rest
        up = "../" * (rest.count("/") + 2)
        if found is None:
            await answer_json(scope, send, {"session_token": session})
        elif place.route == SOURCE_ROUTE and (scope["method"] != "HEAD" or CASE in scope):
            # Not for HEAD: its answer would hand out a session, and the token stays good for the next one.
            await _elsewhere(scope, send, up + rest, session)
        else:
            folder = rest[: rest.rfind("/") + 1]
            await answer(scope, receive, send, await private(found, session, up + folder))


async def _elsewhere(scope: Scope, send: Send, path: str, session: str) -> None:
    """Send a player on to where a file is for this session: it asks for one part after the other, and a token ends."""
    download = "&dl=1" if b"dl=1" in scope["query_string"].split(b"&") else ""
    await answer_elsewhere(send, f"{path}?avh={session}{download}")


async def _not_yet(send: Send) -> None:
    """Answer for a manifest with nothing in it. No body: the official uploader takes any other answer for playable."""
    await answer_empty(send, 202, "no-store")
