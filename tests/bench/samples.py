"""The files that are measured with: made once by ffmpeg into a cache folder, long ones by looping with stream copy."""

from __future__ import annotations

import subprocess
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

__all__ = ["ffmpeg", "looped", "one_minute"]


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg to its end. Raises CalledProcessError."""
    command = [get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


def one_minute(folder: Path) -> Path:
    """Return 60 s of 1080p30 H.264/AAC with a key frame every 2 s and grain, so that encoders have work."""
    path = folder / "minute.mp4"
    if not path.exists():
        ffmpeg(
            *("-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=30:d=60,noise=alls=12:allf=t"),
            *("-f", "lavfi", "-i", "sine=f=440:d=60"),
            *("-c:v", "libx264", "-preset", "ultrafast", "-b:v", "8M", "-maxrate", "8M", "-bufsize", "8M"),
            *("-pix_fmt", "yuv420p", "-g", "60", "-c:a", "aac", "-movflags", "+faststart"),
            path,
        )
    return path


def looped(folder: Path, minutes: int) -> Path:
    """Return the minute repeated, without encoding again; moov last, as cameras write it."""
    path = folder / f"{minutes}-minutes.mp4"
    if not path.exists():
        ffmpeg("-stream_loop", str(minutes - 1), "-i", one_minute(folder), "-c", "copy", path)
    return path
