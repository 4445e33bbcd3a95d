"""Site: one deployed instance, read from `site.toml` and the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from reelkit.playback_rules import read_all, read_country, read_domain, read_host, read_network
from reelkit.site_check import Faults, check
from reelkit.site_file import Origins, SiteInvalid, read_settings

__all__ = [
    "SITE_FILE",
    "Access",
    "Database",
    "Identity",
    "Jobs",
    "Limits",
    "Network",
    "Operations",
    "Playback",
    "Sandbox",
    "Site",
    "SiteInvalid",
    "Tier",
    "Use",
    "Valkey",
    "Videos",
    "load_site",
]

SITE_FILE = "site.toml"

Count = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of site.toml; a setting that it does not name is an error."""


class Identity(Section, frozen=True):
    """[site]"""

    name: str = "reelkit"
    base_url: str = "http://127.0.0.1:8000"
    """Where people reach the site, without a trailing slash."""


class Database(Section, frozen=True):
    """[database]"""

    url: str = "sqlite:data/reelkit.sqlite"
    """`sqlite:FILE` (relative to the site) or `postgresql://…`."""

    def __repr__(self) -> str:
        return f"Database(url={without_password(self.url)!r})"


class Valkey(Section, frozen=True):
    """[valkey]"""

    url: str = ""
    """`valkey://HOST:PORT/0` or `unix:///PATH`. Empty: in-process, and of `serve --workers N` a private one for them all."""
    when_down: Literal["count", "allow", "refuse"] = "count"
    """When it does not answer: each process counts rate limits by itself, or lets everybody pass, or answers 503."""

    def __repr__(self) -> str:
        return f"Valkey(url={without_password(self.url)!r})"


class Use(Section, frozen=True):
    """[use]: which plugin plays which part."""

    storage: str = "local"
    transcoder: str = "ffmpeg"
    player: str = "mediachrome"


class Network(Section, frozen=True):
    """[network]"""

    allow_private: tuple[str, ...] = ()
    """Hosts on private addresses that webhooks, source URLs and the proxy may reach."""
    trusted_proxies: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Addresses and networks of web servers in front of this one: what they say in X-Forwarded-For is believed."""

    def __post_init__(self) -> None:
        read_all(read_host, self.allow_private)
        read_all(read_network, self.trusted_proxies)


class Playback(Section, frozen=True):
    """[playback]: who may watch. What a video's own policy says takes the place of the lists here, each for itself."""

    mode: Literal["open", "session"] = "open"
    """`session`: every request for media needs a session token, a key or a playback token that may stream."""
    allowed_domains: tuple[str, ...] = ()
    """Where players may be embedded: `example.com`, `*.example.com`, `localhost:3000`. Empty: anywhere."""
    allow_no_referrer: bool = False
    """Where domains are named: also let in who does not tell where they come from, such as apps."""
    allowed_countries: tuple[str, ...] = ()
    """Two letters each, ISO 3166. Empty: all. Needs a plugin that tells countries, e.g. [plugins.geoip]."""
    allowed_ips: tuple[str, ...] = ()
    """Addresses or networks, `203.0.113.0/24`. Empty: all."""
    signed_url_seconds: Count = 86400
    """How long a signed URL opens unless it is told."""

    def __post_init__(self) -> None:
        read_all(read_domain, self.allowed_domains)
        read_all(read_country, self.allowed_countries)
        read_all(read_network, self.allowed_ips)


class Access(Section, frozen=True):
    """[access]"""

    public_api_key: Annotated[str, msgspec.Meta(pattern="^(rk_(live|test)_[A-Za-z0-9]{32})?$")] = ""
    """A key that everybody may know: of the tier `public`, it reads the default project. Empty: there is none."""


class Limits(Section, frozen=True):
    """[limits]: what an upload may be."""

    source_bytes: Count = 30 * 1024**3
    duration_minutes: Count = 1440
    fetch_minutes: Count = 360
    """How long bringing a source from a URL may take."""
    token_uploads_per_minute: Count = 600
    """Requests with one upload token from one address; each part of a file is one."""
    beats_per_minute: Count = 30_000
    """What players at one address may tell of their viewers, counted by each worker; 5,000 viewers tell as much."""


class Videos(Section, frozen=True):
    """[videos]: how long what nobody wants any more is kept."""

    restore: bool = False
    """Deleted videos are discarded first and can be restored."""
    restore_days: Count = 90
    abandoned_days: Count = 7
    """Videos without a source, and uploads that were not finished, are removed after this."""


class Sandbox(Section, frozen=True):
    """[sandbox]: what becomes of videos that are only tried out."""

    video_hours: Count = 24
    """How long a video is kept from its upload on, an empty one from its creation on."""
    video_seconds: Count = 30


class Jobs(Section, frozen=True):
    """[jobs]"""

    transcodes: Count = 1
    """Ladders encoded at once by one worker."""
    ladder: Literal["lazy", "at-once"] = "lazy"
    """Of a picture that is copied, lazy makes 360p at once, the other sizes when it is watched or nothing else is due."""
    lease_seconds: Seconds = 10.0
    """A worker silent for this long is taken for dead and its jobs are taken over."""


class Operations(Section, frozen=True):
    """[operations]"""

    allow: tuple[str, ...] = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
    """Addresses and networks that may read /metrics, and in /readyz what does not work; others learn whether all does."""

    def __post_init__(self) -> None:
        read_all(read_network, self.allow)


class Tier(Section, frozen=True):
    """[tiers.NAME]: how often a key may ask and whether it may stream. window: seconds."""

    limit: Count = 100
    window: Count = 60
    streaming: bool = True
    uploads: Count | None = None
    """Uploads, writes and reads that have a figure of their own are counted by it, the others together by `limit`."""
    writes: Count | None = None
    reads: Count | None = None
    session_limit: Count | None = None
    """How often each session token may ask, which does not count for its key; None: as often as it likes."""
    concurrent_streams: Count | None = None
    """How many viewers may watch at once on one key, its session tokens together; None: any number."""
    monthly_bytes: Count | None = None
    """How many bytes of media a key may take in a calendar month (UTC); None: any number."""
    sandbox_limit: Count | None = None
    """In the sandbox these take the place of `limit`, if less, and of `uploads`, `writes` and `reads`, each if it is set."""
    sandbox_uploads: Count | None = None
    sandbox_writes: Count | None = None
    sandbox_reads: Count | None = None


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """One deployed instance. folder: absolute, holds site.toml; data: absolute, holds everything that is not committed."""

    folder: Path
    site: Identity = Identity()
    database: Database = Database()
    valkey: Valkey = Valkey()
    use: Use = Use()
    network: Network = Network()
    access: Access = Access()
    playback: Playback = Playback()
    limits: Limits = Limits()
    videos: Videos = Videos()
    sandbox: Sandbox = Sandbox()
    jobs: Jobs = Jobs()
    operations: Operations = Operations()
    tiers: dict[str, Tier] = msgspec.field(
        default_factory=lambda: {
            "public": Tier(limit=10, streaming=False),
            "standard": Tier(limit=100, sandbox_limit=40),
            "partner": Tier(limit=1000, sandbox_limit=400),
        }
    )
    plugins: dict[str, dict[str, Any]] = {}
    """[plugins.NAME], as written; each plugin's own Struct checks it."""
    origins: Origins = Origins()
    """Where each setting was written, so that a message can name the line."""

    @property
    def data(self) -> Path:
        """The folder of everything that the site makes: database, media, secrets."""
        return self.folder / "data"

    def __repr__(self) -> str:
        # Plugins' settings hold credentials, and a Site ends up in logs and tracebacks.
        return f"Site(name={self.site.name!r}, folder={str(self.folder)!r})"


def without_password(url: str) -> str:
    """Return a URL that may be shown to people: the password, if any, becomes `***`."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    user, host = parts.username or "", parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{user}:***@{host}").geturl()


def load_site(folder: Path | str, environ: Mapping[str, str] = os.environ) -> Site:
    """Read a site's folder and the environment into a checked Site.

    `REELKIT_SECTION__KEY` variables win over site.toml; lists are JSON. Raises SiteInvalid, which names every fault at
    once, each with its line or variable and what would be right.
    """
    folder = Path(folder).absolute()
    written, origins = read_settings(folder / SITE_FILE, environ)
    known = set(Site.__struct_fields__) - {"folder", "origins"}
    faults = Faults(origins)
    for variable, setting in origins.almost(setting_names(written)):
        faults.add_text(f'environment variable {variable}: settings are named with two underscores, as in "{setting}"')
    # A tier of which one number is written keeps the rest of the default tier of that name.
    if isinstance(tiers := written.get("tiers"), dict):
        defaults: dict[str, Any] = msgspec.to_builtins(Site(folder=folder).tiers)
        written["tiers"] = {
            name: {**defaults.get(name, {}), **tier} if isinstance(tier, dict) else tier
            for name, tier in {**defaults, **tiers}.items()
        }
    for name in written.keys() - known:
        faults.unknown_section(name, written[name], known)
    found = {name: check(kind, written[name], (name,), faults) for name, kind in _kinds().items() if name in written}
    if not faults:
        _check_meaning(found, faults)
    if faults:
        raise SiteInvalid(faults.in_order())
    if isinstance(identity := found.get("site"), Identity):
        found["site"] = msgspec.structs.replace(identity, base_url=identity.base_url.rstrip("/"))
    return Site(folder=folder, origins=origins, **found)


def setting_names(written: Mapping[str, Any]) -> set[tuple[str, ...]]:
    """List the paths of every setting that reelkit itself knows, e.g. ("database", "url")."""
    names: set[tuple[str, ...]] = set()
    for section, kind in _kinds().items():
        if isinstance(kind, type) and issubclass(kind, Section):
            names |= {(section, field) for field in kind.__struct_fields__}
    for tier in {"public", "standard", "partner", *(written.get("tiers") or ())}:
        names |= {("tiers", tier, field) for field in Tier.__struct_fields__}
    return names


def _kinds() -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(Site) if field.name not in ("folder", "origins")}


def _check_meaning(found: dict[str, Any], faults: Faults) -> None:
    """Add the faults that types cannot see."""
    if (identity := found.get("site")) is not None:
        parts = urlsplit(identity.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            faults.add(("site", "base_url"), 'must be a URL such as "https://video.example.org"')
    if (database := found.get("database")) is not None:
        if database.url.startswith("sqlite:"):
            if database.url.removeprefix("sqlite:").strip("/") == "":
                faults.add(("database", "url"), 'names no file; write "sqlite:data/reelkit.sqlite"')
        elif not database.url.startswith(("postgresql://", "postgres://")):
            faults.add(("database", "url"), 'must start with "sqlite:" or "postgresql://"')
    valkey = found.get("valkey")
    if (
        valkey is not None
        and valkey.url
        and not valkey.url.startswith(("valkey://", "valkeys://", "redis://", "rediss://", "unix://"))
    ):
        faults.add(("valkey", "url"), 'must be empty or start with "valkey://"')
