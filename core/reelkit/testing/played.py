"""Playing: what a player would see of an address, decoded by ffmpeg."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import httpx
import imageio_ffmpeg
import msgspec

__all__ = ["NotPlayed", "Played", "play"]

_STREAM = re.compile(r"^#media_type (\d+): (video|audio)$", re.MULTILINE)
_FRAME = re.compile(r"^(\d+),.*, ([0-9a-f]{32})$", re.MULTILINE)


class NotPlayed(AssertionError):
    """An address or file cannot be decoded without complaints; the message has ffmpeg's own."""


class Played(msgspec.Struct, frozen=True):
    """What was decoded, in order. frames: MD5 of each picture; sound: MD5 of each frame of the first sound."""

    frames: tuple[str, ...]
    sound: tuple[str, ...]


def play(address: str | Path) -> Played:
    """Decode everything of a file, or the best variant and the first sound of a master playlist. Raises NotPlayed."""
    # Each playlist is an input of its own: ffmpeg complains of the ends of variants that it opens and leaves out.
    inputs = best_of(str(address)) if str(address).startswith("http") else [str(address)]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "warning"]
    for name in inputs:
        command += ["-i", name]
    command += ["-map", "0:v:0?", "-map", f"{len(inputs) - 1}:a:0?", "-f", "framemd5", "-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode or done.stderr.strip():
        raise NotPlayed(f"{address}: {done.stderr[-2000:]}")
    kinds = dict(_STREAM.findall(done.stdout))
    found = _FRAME.findall(done.stdout)
    return Played(*(tuple(md5 for stream, md5 in found if kinds[stream] == kind) for kind in ("video", "audio")))


def best_of(address: str) -> list[str]:
    """Return the media playlists that a player with enough bandwidth plays: the picture, and the sound if it is apart."""
    answer = httpx.get(address)
    if answer.status_code != 200:
        raise NotPlayed(f"{address}: {answer.status_code}")
    variants = re.findall(r"^#EXT-X-STREAM-INF:(?:.*,)?BANDWIDTH=(\d+).*\n(.+)$", answer.text, re.MULTILINE)
    if not variants:
        return [address]
    sounds = re.findall(r'^#EXT-X-MEDIA:TYPE=AUDIO.*URI="([^"]+)"', answer.text, re.MULTILINE)
    best = max(variants, key=lambda variant: int(variant[0]))[1]
    return [str(answer.url.join(uri)) for uri in (best, *sounds[:1])]
