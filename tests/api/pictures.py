"""Pictures of tests, made without an image library."""

from __future__ import annotations

import struct
import subprocess
import zlib

import imageio_ffmpeg

__all__ = ["jpeg", "png"]


def png(width: int, height: int, *, declared: tuple[int, int] | None = None) -> bytes:
    """Return a half-transparent PNG. declared: the size that its header tells, if that is a lie."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress((b"\0" + b"\xff\x80\x00\x80" * width) * height)
    header = struct.pack(">IIBBBBB", *(declared or (width, height)), 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """Return a JPEG."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", f"color=red:s={width}x{height}"]
    return subprocess.run([*command, "-frames:v", "1", "-f", "mjpeg", "-"], capture_output=True, check=True).stdout
