"""Who may watch: every request for media, playlists, files and embed pages is judged here, by all that it brings.

In order: the credentials, any of which refuses when its tier may not stream; whether the video or the site wants one; the
limits of the video and of a signed URL; the plugins. What is asked about a request is asked in the same way to explain it.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Protocol

import msgspec

from reelkit.access.asking import ask_authenticate
from reelkit.access.countries import Countries
from reelkit.access.keys import KeyRing
from reelkit.access.playback import SESSION_SECONDS, Grant, PlaybackRights
from reelkit.access.playback_policy import authorize_playback
from reelkit.access.policies import NO_LIMITS, Limits, address_within, host_of, host_within, kept_by, limits_of
from reelkit.access.principal import Principal
from reelkit.access.tokens import LIFETIME
from reelkit.access.viewer import SILENT, Case, Viewer, What
from reelkit.catalog import keys, playback_tokens
from reelkit.catalog.scope import Environment, Scope
from reelkit.interfaces.access import SignIn
from reelkit.interfaces.playback import PlaybackPolicy, PlaybackRequest
from reelkit.plugins import Plugins
from reelkit.problems import (
    AccessDenied,
    InvalidPlaybackSession,
    InvalidSessionToken,
    MissingPlaybackCredential,
    NotFound,
    Problem,
    Unauthorized,
)
from reelkit.site import Site

__all__ = ["ANYBODY", "Admission", "Admitted", "Watched"]

READ = "videos:read"

log = logging.getLogger("reelkit.access")


class Watched(Protocol):
    """A video, or a live stream by the name of one."""

    @property
    def video_id(self) -> str: ...
    @property
    def project(self) -> str: ...
    @property
    def environment(self) -> Environment: ...
    @property
    def scope(self) -> Scope: ...
    @property
    def public(self) -> bool: ...
    @property
    def playback_policy(self) -> PlaybackPolicy | None: ...


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may watch. session: a good one that they brought; principal: whose key they watch on."""

    session: str | None = None
    grant: Grant | None = None
    principal: Principal | None = None
    token_key: str | None = None
    """The key of the playback token that lets them in, which is still to be used up; empty: of no key."""
    limited: bool = False
    """By where, from which address or in which country it is watched, or by a plugin: the next one may be refused."""
    domains: tuple[str, ...] | None = None
    """Where the embed page may be embedded; None: anywhere."""

    @property
    def viewer(self) -> str:
        """What tells viewers on one key apart: stable for as long as they watch; empty for a key by itself.

        A session that was opened by a session token goes by the same name as the token.
        """
        if self.grant is not None:
            return self.grant.viewer or self.grant.chance.hex()
        return "" if self.principal is None else _name_of(self.principal.session_id).hex()


ANYBODY = Admitted()
_ANYBODY_ASKED_ABOUT = Admitted(limited=True)


class Admission:
    """Judges requests for media, one a process."""

    def __init__(self, site: Site, rights: PlaybackRights, keys: KeyRing, plugins: Plugins, countries: Countries) -> None:
        self._site = site
        self._settings = site.playback
        self._open = site.playback.mode == "open"
        self._own = host_of(site.site.base_url)
        self._rights = rights
        self._keys = keys
        self._plugins = plugins
        self._countries = countries
        if self._settings.allowed_countries and not countries.known:
            log.error("nobody can watch: [playback] allows some countries, and no plugin tells those of viewers")
        self._guarded = plugins.implements("authorize_playback")
        self._known_elsewhere = plugins.implements("authenticate")

    async def admit(self, video: Watched, viewer: Viewer, token: str | None = None) -> Admitted:
        """Return how somebody may watch. token: a playback token that came in the address; it is not used up here.

        Raises NotFound where a private video is not to be known of, Unauthorized, AccessDenied, the Problem of a plugin,
        PluginFailed, DatabaseError.
        """
        limits = limits_of(self._settings, video.playback_policy)
        if (
            video.public
            and self._open
            and limits is NO_LIMITS
            and viewer.case is SILENT
            and not (viewer.session or viewer.token or viewer.presents or token)
        ):
            if self._guarded and viewer.what is not None:
                await self._ask(video, viewer, viewer.what, ANYBODY)
                return _ANYBODY_ASKED_ABOUT
            return ANYBODY
        try:
            found = await self._by_credentials(video, viewer, token)
        except Problem as problem:
            if viewer.case.explains:
                viewer.case.refused("credential", problem, problem.detail or problem.title)
            raise
        if found.token_key is not None and video.public and self._open and viewer.what != "session":
            # It is not needed, so it stays good.
            found = msgspec.structs.replace(found, token_key=None)
        domains = self._keep(limits, viewer, found.grant)
        limited = limits is not NO_LIMITS or (self._guarded and viewer.what is not None)
        if limited or domains is not None:
            found = msgspec.structs.replace(found, domains=domains, limited=limited)
        if viewer.what is not None:
            await self._ask(video, viewer, "session" if found.token_key is not None else viewer.what, found)
        elif viewer.case.explains:
            viewer.case.passed("plugins", "Plugins are not asked about this: they were about what leads to it.")
        viewer.case.end()
        return found

    async def redeem(self, video: Watched, admitted: Admitted, token: str, *, look: bool) -> str:
        """Use a playback token up and return its session. look: leave it as it is. Raises NotFound, DatabaseError."""
        key_id = admitted.token_key or ""
        if look:
            return self._rights.open_session(video.video_id, key_id)
        session = await self._rights.redeem(video.scope, video.video_id, token, key_id)
        if session is None:
            raise NotFound(name="videoId")
        return session

    def carry(self, video: Watched, admitted: Admitted) -> str | None:
        """Return the session that goes on to every address in an answer; None where anybody may watch."""
        principal = admitted.principal
        if admitted.session is not None or principal is None or (video.public and self._open):
            return admitted.session
        key_id = principal.key_id
        if key_id.startswith("plugin:"):
            # Nothing tells when the plugin would no longer know them, so it is asked again soon.
            return self._rights.open_session(video.video_id, "", LIFETIME["session"])
        expires = int(self._rights.now()) + SESSION_SECONDS
        grant = Grant(expires=expires, chance=_name_of(principal.session_id), key_id=key_id)
        return self._rights.sign(video.video_id, grant)

    def vouch(self, video: Watched, admitted: Admitted, session: str | None) -> str | None:
        """Return the session for what an embed page loads, where it was looked at which page embeds it."""
        if admitted.domains is None:
            # Not every browser says of media which page asks for them; the embed page knows.
            return session
        grant = None if session is None else self._rights.grant(video.video_id, session)
        if grant is None:
            grant = Grant(expires=int(self._rights.now()) + SESSION_SECONDS)
        return self._rights.sign(video.video_id, msgspec.structs.replace(grant, framed=True))

    async def _by_credentials(self, video: Watched, viewer: Viewer, token: str | None) -> Admitted:
        """Return how somebody is let in by what they bring."""
        case = viewer.case
        grant, key = await self._session(video, viewer)
        token_key, token_principal = (None, None) if token is None else await self._token(video, viewer, token)
        opened = grant is not None or token_key is not None
        bearer, refused = await self._bearer(viewer, opened or self._open)
        if case.explains:
            case.passed("public", "The video is public." if video.public else "The video is private: it needs a token.")
            case.passed("playback", f"The site's playback is {self._settings.mode}.")
        known = opened or video.public or (bearer is not None and bearer.scope == video.scope)
        for principal in (key, token_principal, bearer):
            if principal is not None and not principal.streaming:
                problem: Problem = AccessDenied() if known else NotFound(name="videoId")
                case.refused("tier", problem, f"The tier {principal.tier} of this credential may not stream.")
                break
        else:
            if case.explains:
                streams = [who.tier for who in (key, token_principal, bearer) if who is not None]
                said = (
                    f"The tier {streams[0]} may stream." if streams else "There is no credential whose tier could forbid it."
                )
                case.passed("tier", said)
        if not opened and not video.public:
            case.refused("admission", NotFound(name="videoId"), "Nothing here opens this private video.")
        elif opened or self._open:
            case.passed("admission", "A token, session or signed URL opens it." if opened else "Anybody may watch.")
        elif bearer is None:
            tried = viewer.session is not None or token is not None or viewer.token is not None
            problem = refused or (InvalidPlaybackSession() if tried else MissingPlaybackCredential())
            case.refused("admission", problem, "This site plays with a credential only, and none of these is one.")
        elif bearer.scope != video.scope:
            case.refused("admission", NotFound(name="videoId"), "The credential is of another project or environment.")
        elif not bearer.may(READ):
            case.refused("admission", AccessDenied(detail=f"This key lacks the scope `{READ}`."), f"No scope `{READ}`.")
        else:
            case.passed("admission", "The credential may watch.")
        own = bearer if bearer is not None and bearer.scope == video.scope else None
        return Admitted(
            session=viewer.session if grant is not None else None,
            grant=grant,
            principal=key if grant is not None else token_principal if token_key is not None else own,
            token_key=None if grant is not None else token_key,
        )

    async def _session(self, video: Watched, viewer: Viewer) -> tuple[Grant | None, Principal | None]:
        """Return what the session says if it is good, and whose it is."""
        if viewer.session is None:
            return None, None
        case = viewer.case
        grant = self._rights.grant(video.video_id, viewer.session, viewer.at)
        if grant is None:
            case.failed("session", "It is of another video or site, was changed, or has expired.")
            return None, None
        if not grant.key_id:
            case.passed("session", "It is good.")
            return grant, None
        principal = await self._of_key(video.scope, grant.key_id)
        if principal is None:
            case.failed("session", "The key that it comes from was revoked or has expired.")
            return None, None
        case.passed("session", "It is good, and so is its key.")
        return grant, principal

    async def _token(self, video: Watched, viewer: Viewer, token: str) -> tuple[str | None, Principal | None]:
        """Return the key of a playback token if it opens a session, and whose it is."""
        case = viewer.case
        key_id = self._rights.key_of(video.video_id, token, ("",), viewer.at)
        if key_id is None:
            ids = [key.id for key in await keys.list_keys(video.scope)]
            key_id = self._rights.key_of(video.video_id, token, ids, viewer.at)
        if key_id is None:
            case.failed("token", "It is of another video or site, was changed, or has expired.")
            return None, None
        principal = await self._of_key(video.scope, key_id) if key_id else None
        if key_id and principal is None:
            case.failed("token", "The key that it comes from was revoked or has expired.")
            return None, None
        if await playback_tokens.is_used(video.scope, token):
            case.failed("token", "It was used: each opens one session.")
            return None, None
        case.passed("token", "It is good and was not used yet.")
        return key_id, principal

    async def _bearer(self, viewer: Viewer, enough: bool) -> tuple[Principal | None, Unauthorized | None]:
        """Return whom the credential of a header stands for, or that of the query; or how it was refused.

        enough: no plugin need be asked who else it may be, since they are let in without.
        """
        refused: Unauthorized | None = None
        found: Principal | None = None
        given = [viewer.headers] if viewer.presents else []
        if viewer.token is not None:
            given.append([(b"x-session-token", viewer.token.encode("latin-1"))])
        for headers in given:
            try:
                principal = await self._keys.authenticate(headers)
            except Unauthorized as error:
                viewer.case.failed("credential", f"{error.title.rstrip('.')}.")
                refused = refused or error
                continue
            viewer.case.passed("credential", "It is known.")
            # One that may not stream is not made up for by another.
            if found is None or not principal.streaming:
                found = principal
        if found is None and self._known_elsewhere and not enough:
            names = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in viewer.headers}
            request = SignIn(method=viewer.method, path=viewer.path, headers=names, client=viewer.client)
            found = await ask_authenticate(self._plugins, self._site, self._keys.suspensions, request)
        return found, refused

    async def _of_key(self, scope: Scope, key_id: str) -> Principal | None:
        """Return whom a key stands for, as the database said at most 4 s ago; None when it works no more."""
        try:
            key = await self._keys.usable(scope, key_id, InvalidSessionToken)
        except Unauthorized:
            return None
        streaming = self._site.tiers[key.tier].streaming
        return Principal(key.project, key.environment, key.tier, key.scopes, key.id, streaming=streaming)

    def _keep(self, limits: Limits, viewer: Viewer, grant: Grant | None) -> tuple[str, ...] | None:
        """Hold a request against the limits of its video and its signed URL; return the domains that both allow."""
        signed = NO_LIMITS if grant is None else kept_by(grant)
        if limits is NO_LIMITS and signed is NO_LIMITS and not viewer.case.explains:
            return None
        both = [one for one in (limits, signed) if one is not NO_LIMITS]
        framed = grant is not None and grant.framed
        for one in both:
            self._keep_one(one, viewer, framed)
        if viewer.case.explains:
            for name in ("domains", "countries", "ips"):
                if not any(getattr(one, name) for one in both):
                    viewer.case.passed(name, "There is no limit.")
        lists = [one.domains for one in both if one.domains]
        if len(lists) < 2:
            return lists[0] if lists else None
        wide, narrow = lists
        return tuple(one for one in narrow if one in wide or host_within(one.removeprefix("*."), wide))

    def _keep_one(self, limits: Limits, viewer: Viewer, framed: bool) -> None:
        case = viewer.case
        if limits.domains:
            page = viewer.comes_from
            if page is None:
                ok = limits.no_referrer or framed or viewer.framed_by_browser
                said = "Nothing tells which page asks" + (", which is allowed here." if ok else ".")
            else:
                ok = host_within(page, limits.domains) or page in (self._own, viewer.header(b"host").lower())
                said = f"The page is of {page}; allowed are {', '.join(limits.domains)}."
            self._say(case, "domains", ok, said)
        if limits.countries:
            country = self._country(viewer)
            said = f"The viewer is in {country or 'a country that nobody knows'}; allowed are {', '.join(limits.countries)}."
            self._say(case, "countries", country in limits.countries, said)
        if limits.ips:
            said = f"The address is {viewer.client or 'unknown'}; allowed are {', '.join(limits.ips)}."
            self._say(case, "ips", address_within(viewer.client, limits.ips), said)

    def _country(self, viewer: Viewer) -> str:
        return self._countries.of(viewer.client) if viewer.country is None else viewer.country

    async def _ask(self, video: Watched, viewer: Viewer, what: What, admitted: Admitted) -> None:
        """Ask the plugins whether somebody may watch. Raises Problem."""
        case = viewer.case
        if not self._guarded:
            case.passed("plugins", "No plugin decides about viewers.")
            return
        if case.explains and getattr(case, "problem", None) is not None:
            case.passed("plugins", "Plugins are not asked, since the request is refused without them.")
            return
        request = PlaybackRequest(
            video_id=video.video_id,
            project=video.project,
            environment=video.environment,
            public=video.public,
            what=what,
            client=viewer.client,
            origin=viewer.header(b"origin"),
            referrer=viewer.header(b"referer"),
            user_agent=viewer.header(b"user-agent"),
            viewer="" if admitted.grant is None else admitted.grant.viewer,
            country=self._country(viewer),
        )
        try:
            await authorize_playback(self._plugins, request)
        except Problem as problem:
            case.refused("plugins", problem, f"A plugin refuses: {problem.detail or problem.title}")
        else:
            case.passed("plugins", "Every plugin lets the viewer through.")

    def _say(self, case: Case, name: str, ok: bool, said: str) -> None:
        if ok:
            case.passed(name, said)
        else:
            case.refused(name, AccessDenied(), said)


def _name_of(session_id: str) -> bytes:
    """Return six bytes that stand for a session token; none for none."""
    return hashlib.blake2b(session_id.encode(), digest_size=6).digest() if session_id else b""
