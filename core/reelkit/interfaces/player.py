"""What plays a video in a page: the interface every player plugin implements."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec

__all__ = ["Player", "PlayerAssets"]


class PlayerAssets(msgspec.Struct, frozen=True):
    """A player's built files. module, style: names inside folder; served under /embed/assets/NAME/ with a content hash."""

    folder: Path
    module: str
    style: str
    options: dict[str, Any] = {}
    """The player's own settings, as JSON, handed to `createPlayer` in `cfg.options`."""


@runtime_checkable
class Player(Protocol):
    """Plays a video in the embed page.

    The JavaScript module exports `createPlayer(root, cfg, net)`, which resolves to
    `{video, qualities(), setQuality(), captions(), setCaption(), setControls(), onFatal(), destroy()}`; the core owns
    tokens, beacons and messages to the embedding page.
    """

    def assets(self) -> PlayerAssets:
        """Tell where the built files are. Raises FileNotFoundError with the command that builds them."""
        ...
