"""Asking the plugins whether somebody may watch."""

from __future__ import annotations

from typing import Any

from reelkit.interfaces.playback import PlaybackRequest
from reelkit.plugins import Plugins

__all__ = ["authorize_playback"]


async def authorize_playback(plugins: Plugins, request: PlaybackRequest) -> None:
    """Return when every plugin lets the viewer through. Raises the Problem of a refusal, PluginFailed when one fails."""
    await plugins.ask_each("authorize_playback", "playback", request, _unexpected)


def _unexpected(_: PlaybackRequest, answer: Any) -> PlaybackRequest:
    # False must not be taken for yes.
    raise TypeError(f"authorize_playback must return nothing or raise a Problem, but returned {answer!r:.100}")
