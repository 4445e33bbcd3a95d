"""The draft: a quick low rendition, each segment handed over the moment it is whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import reelkit
from reelkit.interfaces.media import VideoStream
from reelkit.interfaces.transcoder import DraftSegment, DraftTask, TranscodeFailed

from reelkit_ffmpeg.arguments import KEY_FRAME_SECONDS, largest
from reelkit_ffmpeg.fragments import fragments, seconds
from reelkit_ffmpeg.graph import mended, scaled
from reelkit_ffmpeg.process import input_of, started, succeeded
from reelkit_ffmpeg.settings import Settings

__all__ = ["draft"]


async def draft(task: DraftTask, settings: Settings, tell: Callable[[float], None]) -> AsyncIterator[DraftSegment]:
    """Yield the init segment and then each segment. Raises TranscodeFailed, Interrupted, OSError."""
    video = task.probe.video
    if video is None:
        raise TranscodeFailed("The file has no picture.")
    async with started(
        _arguments(task, video, settings),
        settings,
        task.source,
        task.folder,
        task.probe,
        largest=largest((task.rung,), task.probe.duration),
        # Somebody may be waiting for it: behind the web server, before the ladders.
        niceness=settings.niceness // 2,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        last_words = asyncio.ensure_future(reelkit.tail(process.stderr))
        try:
            init, number, reached = b"", 0, 0.0
            async for piece in fragments(process.stdout, settings.stall_seconds):
                duration = 0.0
                if number == 0:
                    init = piece
                else:
                    duration = seconds(init, piece)
                    reached += duration
                path = task.folder / ("init.mp4" if number == 0 else f"{number}.m4s")
                await asyncio.to_thread(path.write_bytes, piece)
                yield DraftSegment(number=number, path=path, duration=duration)
                tell(min(reached / max(task.probe.duration, 0.001), 0.99))
                number += 1
            await succeeded(process, await last_words)
        except TimeoutError:
            stood = f"Encoding stood still for {settings.stall_seconds:.0f} seconds; the file may be damaged."
            raise TranscodeFailed(stood) from None
        finally:
            last_words.cancel()
    if number < 2:
        raise TranscodeFailed("No picture could be decoded; the file may be damaged.")
    tell(1.0)


def _arguments(task: DraftTask, video: VideoStream, settings: Settings) -> list[str]:
    rung = task.rung
    chain = [*mended(video, exact=False, width=rung.width, height=rung.height), *scaled(rung)]
    sound = [
        *("-map", "0:a:0", "-af", "aresample=async=1:first_pts=0,aformat=channel_layouts=stereo"),
        *("-c:a", "aac", "-b:a", "96k", "-ar", "48000"),
    ]
    return [
        *input_of(task.source, settings),
        *("-filter_complex", f"[0:V:0]{','.join(chain)}[v]", "-filter_complex_threads", str(settings.threads)),
        *("-map", "[v]", "-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn"),
        *("-c:v", "libx264", "-preset", settings.draft_preset, "-crf", str(settings.draft_crf)),
        # Without B-frames nothing is held back and no edit list is needed.
        *("-profile:v", "main", "-bf", "0", "-maxrate", str(rung.max_rate), "-bufsize", str(rung.max_rate * 2)),
        *("-g", "99999", "-keyint_min", "99999", "-sc_threshold", "0"),
        *("-force_key_frames", f"expr:gte(t,n_forced*{KEY_FRAME_SECONDS})"),
        *("-threads:v", str(settings.threads), "-fps_mode", "vfr", "-enc_time_base", "filter"),
        *(sound if task.probe.audio else ()),
        *("-f", "mp4", "-movflags", "+frag_keyframe+delay_moov+default_base_moof+skip_trailer", "pipe:1"),
    ]
