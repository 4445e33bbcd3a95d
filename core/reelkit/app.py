"""The application of a site: the API and the pages by Litestar, media in front of it, and what every request gets."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any, cast

import structlog
from litestar import Litestar
from litestar.exceptions import NotFoundException
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler

from reelkit.access.addresses import ClientAddresses
from reelkit.access.admission import Admission
from reelkit.access.countries import Countries
from reelkit.access.keys import KeyRing
from reelkit.access.limits import RateLimits, open_windows
from reelkit.access.metering import Meter
from reelkit.access.streams import open_streams
from reelkit.access.tokens import Tokens
from reelkit.api import (
    access_requests,
    analytics,
    auth,
    captions,
    chapters,
    discarded,
    live_streams,
    parts_mending,
    playback_policies,
    player_themes,
    sessions,
    signed_urls,
    sources,
    summaries,
    tags,
    thumbnails,
    tus,
    upload,
    upload_tokens,
    video_creation,
    video_edits,
    videos,
    watermarks,
    webhooks,
)
from reelkit.api.analytics_collector import Collector
from reelkit.api.answers import JsonResponse
from reelkit.api.dependencies import DEPENDENCIES, answering, resolve_in_turn
from reelkit.api.faults import EXCEPTION_HANDLERS, answer_error
from reelkit.api.limits import telling_allowance
from reelkit.api.openapi import description_routes
from reelkit.delivery import live_pictures
from reelkit.delivery.asgi import App, Message, Receive, Scope, Send
from reelkit.delivery.explaining import explain_access
from reelkit.delivery.front import Front
from reelkit.delivery.head import HeadAsGet
from reelkit.delivery.library import Library
from reelkit.delivery.logos import player_logo
from reelkit.delivery.page_routes import page_for_people, page_routes
from reelkit.delivery.reference import reference_page
from reelkit.jobs.laziness import Attention
from reelkit.jobs.runtime import Runtime, running
from reelkit.operations.access_log import AccessLog
from reelkit.operations.health import Readiness, healthz, metrics, readyz
from reelkit.operations.logs import configure_logs
from reelkit.operations.metrics import Metrics
from reelkit.operations.recovery import EVERY, Presence, recover
from reelkit.operations.requests import Observed
from reelkit.plugins import Plugins, load_plugins
from reelkit.site import Site, load_site
from reelkit.site_secrets import open_secrets

__all__ = ["create_app", "serve_target"]

THREADS = 32
"""For files, checksums and indexes of one process; most of them wait for a disk."""
BODY = 1 << 20
"""Bytes of any request that is no upload."""

HANDLERS: tuple[ControllerRouterHandler, ...] = (
    *auth.HANDLERS,
    sessions.open_session,
    access_requests.request_access,
    video_creation.create_video,
    videos.list_videos,
    videos.get_video,
    videos.get_status,
    video_edits.update_video,
    video_edits.delete_video,
    discarded.list_discarded,
    discarded.get_discarded,
    discarded.restore_video,
    thumbnails.upload_thumbnail,
    thumbnails.pick_thumbnail,
    *playback_policies.HANDLERS,
    signed_urls.sign_url,
    explain_access,
    tags.list_tags,
    sources.upload_source,
    upload.upload_with_token,
    upload_tokens.create_upload_token,
    upload_tokens.list_upload_tokens,
    upload_tokens.get_upload_token,
    upload_tokens.delete_upload_token,
    *tus.HANDLERS,
    *captions.HANDLERS,
    *chapters.HANDLERS,
    *summaries.HANDLERS,
    *watermarks.HANDLERS,
    *player_themes.HANDLERS,
    player_logo,
    *live_streams.HANDLERS,
    *live_pictures.HANDLERS,
    *webhooks.HANDLERS,
    *analytics.HANDLERS,
    healthz,
    readyz,
    metrics,
)

log = structlog.get_logger("reelkit.app")


def serve_target() -> App:
    """Build the application of the site that REELKIT_SITE names; what a server process calls."""
    style = configure_logs()
    return create_app(load_site(os.environ.get("REELKIT_SITE", ".")), log_style=style)


def create_app(site: Site, *, plugins: Plugins | None = None, log_style: str = "json") -> App:
    """Build the application of a site; everything that it needs is opened when the server starts it.

    It also does the site's jobs, on an embedded site as soon as no other process does. Raises PluginRefused, and
    FileNotFoundError when the player is not built.
    """
    plugins = plugins or load_plugins(site)
    countries = Countries(plugins)
    measured = Metrics()
    collector = Collector(measured.registry, countries)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        threads = ThreadPoolExecutor(THREADS, thread_name_prefix="reelkit")
        asyncio.get_running_loop().set_default_executor(threads)
        async with running(site, plugins) as runtime, _present(runtime), collector.running(runtime):
            tokens = Tokens(await asyncio.to_thread(open_secrets, site))
            keys = KeyRing(site, tokens=tokens)
            windows = open_windows(site)
            meter = Meter(site)
            streams = open_streams(site, windows)
            admission = Admission(site, runtime.rights, keys, plugins, countries)
            library = Library(runtime.storage)
            app.state.update(
                {
                    "runtime": runtime,
                    "key_ring": keys,
                    "tokens": tokens,
                    "rate_limits": RateLimits(site, windows),
                    "streams": streams,
                    "meter": meter,
                    "readiness": Readiness.of(runtime),
                    "library": library,
                    "admission": admission,
                    "countries": countries,
                }
            )
            front.open(library, admission, streams, meter, Attention(runtime.engine))
            try:
                yield
            finally:
                await keys.close()
                await meter.close()
                await windows.close()
                access_log.flush()

    app = _Application(
        route_handlers=HANDLERS,
        dependencies=DEPENDENCIES,
        response_class=JsonResponse,
        exception_handlers={**EXCEPTION_HANDLERS, NotFoundException: page_for_people(site, answer_error)},
        lifespan=[lifespan],
        request_max_body_size=BODY,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    app.state.update({"metrics": measured, "collector": collector})
    for page in page_routes(site, plugins.chosen("player"), plugins.player()):
        app.register(page)
    description, openapi = description_routes(HANDLERS, _Application, dependencies=DEPENDENCIES)
    for page in (openapi, reference_page(site, description.json)):
        app.register(page)
    for name, handler in plugins.routes():
        try:
            taken = _routes(app) & _routes(_Application([deepcopy(handler)], openapi_config=None, logging_config=None))
            if taken:
                raise ValueError(f"{' and '.join(sorted(taken))} is served already")
            # Once it is registered, a copy of it would be one of the whole application.
            described = deepcopy(handler)
            app.register(handler)
            description.of_plugins.append(described)
        except Exception as error:
            plugins.blame(name, f"a route of it is refused: {error}")
    resolve_in_turn(app)
    # Litestar's scopes are the same dictionaries under other types.
    front = Front(HeadAsGet(cast("App", app)))
    app.state["front"] = front
    access_log = AccessLog(log_style)
    return ClientAddresses(Observed(_Started(front), measured, access_log), site.network.trusted_proxies)


def _routes(app: Litestar) -> set[str]:
    """Return what an application answers, e.g. `GET /videos/{:str}`. OPTIONS, which Litestar adds, is left out."""
    return {
        f"{method} {re.sub(r'{[^:}]*', '{', route.path)}"
        for route in app.routes
        for method in (route.methods if isinstance(route, HTTPRoute) else ("*",))
        if method != "OPTIONS"
    }


class _Application(Litestar):
    """Litestar without support for pydantic unless a plugin has brought it: 11 MB and a fifth of the start for nothing."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        if "pydantic" in sys.modules:
            return Litestar._get_default_plugins(plugins)
        return [*plugins, MsgspecDIPlugin()]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            answering.set(scope)
            send = telling_allowance(scope, send)
        await super().__call__(scope, receive, send)


class _Started:
    """Tells in a sentence why a site could not be started; Litestar would tell it in a page of traceback."""

    def __init__(self, app: App) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "lifespan":
            return self._app(scope, receive, send)
        return self._start(scope, receive, send)

    async def _start(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = False

        async def brief(message: Message) -> None:
            nonlocal told
            if message["type"] == "lifespan.startup.failed" and not os.environ.get("REELKIT_DEBUG"):
                told = True
                # Its last line is the error itself, after the name of its class.
                lines = [line.strip(" |+-") for line in message.get("message", "").splitlines()]
                last = next((line for line in reversed(lines) if line), "")
                message["message"] = re.sub(r"^[\w.]+: ", "", last) or "The site could not be started."
            await send(message)

        try:
            await self._app(scope, receive, brief)
        except Exception:
            if not told:
                raise


@asynccontextmanager
async def _present(runtime: Runtime) -> AsyncIterator[None]:
    """Take part in a site: mend what dead processes left, now and every so often."""
    presence = Presence(runtime.site.data / "uploads.lock")
    # Only where all processes share this machine can its locks tell that nobody else takes uploads.
    alone = await asyncio.to_thread(presence.enter) and runtime.site.database.url.startswith("sqlite")
    runtime.engine.schedule("reelkit.recover", EVERY, lambda: recover(runtime))
    runtime.engine.schedule("reelkit.parts", parts_mending.EVERY, lambda: parts_mending.mend_uploads(runtime))
    try:
        await recover(runtime, alone)
        await parts_mending.mend_uploads(runtime, alone)
    except Exception as error:
        log.error("what was left over is mended later", exc_info=error)
    try:
        yield
    finally:
        presence.leave()
