"""The default player: hls.js for the media, media-chrome for the controls, built from `src/` into `static/`."""

from __future__ import annotations

from pathlib import Path

import msgspec
from reelkit import Provides, hookimpl
from reelkit.interfaces.player import Player, PlayerAssets

__all__ = ["MediaChrome", "Settings", "register_player"]

STATIC = Path(__file__).parent / "static"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[plugins.mediachrome]"""

    accent: str = ""
    """Colour of progress and highlights, as CSS writes it: "#5b8cff", "tomato". Empty: the player's own."""
    rates: tuple[float, ...] = (0.5, 0.75, 1, 1.25, 1.5, 1.75, 2)
    """Speeds to choose from."""


class MediaChrome:
    """Serves the bundle that `build.mjs` makes."""

    def __init__(self, settings: Settings = Settings(), folder: Path = STATIC) -> None:  # noqa: B008 - immutable
        self.settings = settings
        self.folder = folder

    def assets(self) -> PlayerAssets:
        """Tell where the built files are. Raises FileNotFoundError with the command that builds them."""
        if not (self.folder / "player.js").is_file():
            raise FileNotFoundError(f"{self.folder / 'player.js'} is not built yet: run `make player`")
        options = msgspec.to_builtins(self.settings)
        return PlayerAssets(folder=self.folder, module="player.js", style="player.css", options=options)


@hookimpl
def register_player(settings: Settings) -> Provides[Player]:
    """Offer the player under the name that site.toml chooses it by."""
    return Provides(name="mediachrome", open=lambda: MediaChrome(settings))
