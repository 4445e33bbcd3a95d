"""What ffmpeg's last words mean, said for people."""

from __future__ import annotations

import errno
import os
import re
import signal

from reelkit.interfaces.transcoder import TranscodeFailed

__all__ = ["Interrupted", "explain"]


class Interrupted(RuntimeError):
    """ffmpeg was ended by something that is not the source's fault; trying again may work."""


_KNOWN = (
    ("moov atom not found", "The file ends before its index; it was cut off, so it cannot be read."),
    ("Invalid data found when processing input", "The file is damaged, or it is not a video."),
    ("no decoder found", "The picture or the sound is in a codec that this site does not decode."),
    ("Decoder not found", "The picture or the sound is in a codec that this site does not decode."),
    ("matches no streams", "The file has no picture that can be decoded."),
    ("Cannot allocate memory", "The video needs more memory than this site gives to one encode."),
    ("Error while filtering", "The picture could not be converted; the file may be damaged."),
    ("Nothing was written into output file", "No picture could be decoded; the file may be damaged."),
)

_NOISE = re.compile(r"^(\[[^\]]*\]\s*)+|^(Error|Conversion failed!|Exiting|Last message repeated).*")


def explain(code: int, last_words: str) -> Exception:
    """Return the exception for an ffmpeg that ended with this code: TranscodeFailed, Interrupted or OSError."""
    if "No space left on device" in last_words:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "the folder of ffmpeg's output")
    if code == -signal.SIGXCPU:
        return TranscodeFailed("Encoding took more processor time than a video of this length may take.")
    if code == -signal.SIGXFSZ or "File too large" in last_words:
        return TranscodeFailed("The video is much longer than it says it is.")
    if code in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
        return Interrupted(f"ffmpeg was ended by signal {-code}.")
    for words, reason in _KNOWN:
        if words in last_words:
            return TranscodeFailed(reason)
    lines = [cleaned for line in last_words.splitlines() if (cleaned := _NOISE.sub("", line).strip())]
    detail = f": {lines[-1][:200]}" if lines else ""
    return TranscodeFailed(f"ffmpeg could not encode the video (code {code}){detail}")
