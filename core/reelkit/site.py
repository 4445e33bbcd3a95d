"""Site: one deployed instance, read from `site.toml` and the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

__all__ = ["Database", "Identity", "Jobs", "Limits", "Network", "Site", "Tier", "Use", "Valkey"]


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


class Valkey(Section, frozen=True):
    """[valkey]"""

    url: str = ""
    """Empty: in-process."""


class Use(Section, frozen=True):
    """[use]: which plugin plays which part."""

    storage: str = "local"
    transcoder: str = "ffmpeg"
    player: str = "mediachrome"


class Network(Section, frozen=True):
    """[network]"""

    allow_private: tuple[str, ...] = ()
    """Hosts on private addresses that webhooks, source URLs and the proxy may reach."""


class Limits(Section, frozen=True):
    """[limits]: what an upload may be."""

    source_bytes: int = 30 * 1024**3
    duration_minutes: int = 1440


class Jobs(Section, frozen=True):
    """[jobs]"""

    transcodes: int = 1
    """Ladders encoded at once by one worker."""
    lease_seconds: float = 10.0
    """A worker silent for this long is taken for dead and its jobs are taken over."""


class Tier(Section, frozen=True):
    """[tiers.NAME]: how often a key may ask and whether it may stream. window: seconds."""

    limit: int = 100
    window: int = 60
    streaming: bool = True


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """One deployed instance. folder: absolute, holds site.toml; data: absolute, holds everything that is not committed."""

    folder: Path
    site: Identity = Identity()
    database: Database = Database()
    valkey: Valkey = Valkey()
    use: Use = Use()
    network: Network = Network()
    limits: Limits = Limits()
    jobs: Jobs = Jobs()
    tiers: dict[str, Tier] = msgspec.field(
        default_factory=lambda: {
            "public": Tier(limit=10, streaming=False),
            "standard": Tier(limit=100),
            "partner": Tier(limit=1000),
        }
    )
    plugins: dict[str, dict[str, Any]] = {}
    """[plugins.NAME], as written; each plugin's own Struct checks it."""

    @property
    def data(self) -> Path:
        """The folder of everything that the site makes: database, media, secrets."""
        return self.folder / "data"
