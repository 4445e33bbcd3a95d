"""Files that pages load: read once, named by their content, so that browsers and CDNs may keep them for ever."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import msgspec

__all__ = ["Asset", "AssetFolder"]

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
"""Nothing else of a folder is served."""
PACKED_BY_NATURE = frozenset({".png", ".woff2"})
IMMUTABLE = "public, max-age=31536000, immutable"


class Asset(msgspec.Struct, frozen=True):
    """One file. encodings: its bytes by content encoding; `identity` is always there."""

    type: str
    encodings: dict[str, bytes]

    def choose(self, accepted: str) -> tuple[bytes, dict[str, str]]:
        """Return the bytes and headers for an `Accept-Encoding`: the smallest form that the client names."""
        # A form refused with q=0 is rare enough to be sent plain, which every client takes.
        named = {
            part.strip().lower() for part in accepted.split(",") if ";" not in part or "q=0" not in part.replace(" ", "")
        }
        names = {part.partition(";")[0].strip() for part in named}
        form = next((form for form in ("br", "gzip") if form in names and form in self.encodings), "identity")
        headers = {
            "Content-Type": self.type,
            "Cache-Control": IMMUTABLE,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
            # Frames without an origin (sandbox without allow-same-origin) load modules too.
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        if form != "identity":
            headers["Content-Encoding"] = form
        return self.encodings[form], headers


class AssetFolder:
    """The files of a folder, in memory. A `.br` beside a file is its brotli form; gzip is made here.

    name: of the plugin, or `reelkit` for the core's own. Raises FileNotFoundError when the folder has none.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.files: dict[str, Asset] = {}
        digest = hashlib.sha256()
        for path in sorted(folder.iterdir()):
            if path.suffix not in TYPES or not path.is_file():
                continue
            body = path.read_bytes()
            digest.update(f"{path.name} {len(body)}\n".encode())
            digest.update(body)
            encodings = {"identity": body}
            if path.suffix not in PACKED_BY_NATURE:
                encodings["gzip"] = gzip.compress(body, 6, mtime=0)
                packed = path.with_name(f"{path.name}.br")
                if packed.is_file():
                    encodings["br"] = packed.read_bytes()
            self.files[path.name] = Asset(TYPES[path.suffix], encodings)
        if not self.files:
            raise FileNotFoundError(f"{folder} holds nothing to serve")
        self.hash = digest.hexdigest()[:16]

    def url(self, file: str) -> str:
        """Return where a file is served. Raises KeyError for one that is not there."""
        self.files[file]
        return f"/embed/assets/{self.name}/{self.hash}/{file}"

    def find(self, hash: str, file: str) -> Asset | None:
        """Return a file; None for another version's hash, since those names promise other bytes."""
        return self.files.get(file) if hash == self.hash else None
