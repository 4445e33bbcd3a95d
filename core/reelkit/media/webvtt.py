"""WebVTT: read as leniently as players do, never parsed further than is needed. W3C WebVTT, section 4."""

from __future__ import annotations

import codecs
import html
import re

__all__ = ["read_text", "spoken", "well_formed", "word_count"]

PIECE = 64 << 10
"""Bytes decoded at a time: a codec lets no other thread run, and takes a second for 10 MB of broken UTF-16."""

_SIGNATURE = re.compile(r"WEBVTT(?:[ \t\n]|\Z)")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese: written without blanks between words."""
_TIMING = re.compile(r"\s*(?:\d{2,}:)?\d{2}:\d{2}\.\d{3}\s+-->\s")


def read_text(data: bytes) -> str:
    """Return what a file says, with `\\n` for line ends.

    UTF-16 is known by its byte order mark; else it is UTF-8, and what is not becomes U+FFFD, as does NUL: so every
    parser would read it, and what is stored is valid in any case. For large files, call it in a thread.
    """
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    pieces = [decoder.decode(data[at : at + PIECE]) for at in range(0, len(data), PIECE)]
    text = "".join([*pieces, decoder.decode(b"", final=True)]).replace("\0", "\ufffd")
    # Lone surrogates of UTF-16 are replaced by its decoder already.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def well_formed(text: str) -> bool:
    """Tell whether a parser would take a file for WebVTT at all: everything after the signature is up to its mercy."""
    return _SIGNATURE.match(text) is not None


def spoken(text: str) -> str:
    """Return the words of all cues in order, without times, settings, notes, styles and markup."""
    words: list[str] = []
    inside = False
    for line in text.split("\n"):
        if not line.strip():
            inside = False
        elif _TIMING.match(line):
            inside = True
        elif inside:
            words.append(html.unescape(_plain(line)).strip())
    return " ".join(word for word in words if word)


def word_count(text: str) -> int:
    """Return how many words a text has, about: of scripts without blanks two characters are one."""
    return len(_UNSPACED.sub("", text).split()) + len(_UNSPACED.findall(text)) // 2


def _plain(line: str) -> str:
    """Take the tags out of a line. Not by a pattern: a file of `<` alone would keep it busy for hours."""
    first, *others = line.split("<")
    kept = [first]
    for part in others:
        _, closed, after = part.partition(">")
        kept.append(after if closed else f"<{part}")
    return "".join(kept)
