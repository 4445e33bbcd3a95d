"""The draft: a quick low rendition, each segment handed over the moment it is whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing

import reelkit
from reelkit.interfaces.media import VideoStream
from reelkit.interfaces.transcoder import DraftSegment, DraftTask, SoundTask, TranscodeFailed

from reelkit_ffmpeg.arguments import KEY_FRAME_SECONDS, largest, stereo
from reelkit_ffmpeg.fragments import fragments, seconds
from reelkit_ffmpeg.graph import mended, scaled
from reelkit_ffmpeg.process import input_of, started, succeeded
from reelkit_ffmpeg.settings import Settings

__all__ = ["draft", "pieces"]


async def draft(task: DraftTask, settings: Settings, tell: Callable[[float], None]) -> AsyncIterator[DraftSegment]:
    """Yield the init segment and then each segment. Raises TranscodeFailed, Interrupted, OSError."""
    video = task.probe.video
    if video is None:
        raise TranscodeFailed("The file has no picture.")
    async with aclosing(pieces(_arguments(task, video, settings), task, task.probe.duration, settings, tell)) as made:
        async for segment in made:
            yield segment
    tell(1.0)


async def pieces(
    arguments: Sequence[str],
    task: DraftTask | SoundTask,
    duration: float,
    settings: Settings,
    tell: Callable[[float], None],
) -> AsyncGenerator[DraftSegment]:
    """Yield what an ffmpeg writes to stdout, cut into its init segment and its fragments, each the moment it is whole.

    duration: seconds that are to come. Raises TranscodeFailed, Interrupted, OSError.
    """
    async with started(
        arguments,
        settings,
        [task.source],
        task.folder,
        task.probe.duration,
        largest=largest((task.rung,) if isinstance(task, DraftTask) else (), task.probe.duration),
        # Somebody may be waiting for it: behind the web server, before the ladders.
        niceness=settings.niceness // 2,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        last_words = asyncio.ensure_future(reelkit.tail(process.stderr))
        try:
            init, number, reached = b"", 0, 0.0
            async for piece in fragments(process.stdout, settings.stall_seconds):
                lasts = 0.0
                if number == 0:
                    init = piece
                else:
                    lasts = seconds(init, piece)
                    reached += lasts
                path = task.folder / ("init.mp4" if number == 0 else f"{number}.m4s")
                await asyncio.to_thread(path.write_bytes, piece)
                yield DraftSegment(number=number, path=path, duration=lasts)
                tell(min(reached / max(duration, 0.001), 0.99))
                number += 1
            await succeeded(process, await last_words)
        except TimeoutError:
            stood = f"Encoding stood still for {settings.stall_seconds:.0f} seconds; the file may be damaged."
            raise TranscodeFailed(stood) from None
        finally:
            last_words.cancel()
    if number < 2:
        raise TranscodeFailed("Nothing could be decoded; the file may be damaged.")


def _arguments(task: DraftTask, video: VideoStream, settings: Settings) -> list[str]:
    rung = task.rung
    chain = [*mended(video, exact=False, width=rung.width, height=rung.height), *scaled(rung)]
    sound = []
    if task.probe.audio:
        # Muxed with the picture there is room for one.
        sound = ["-map", f"0:a:{task.probe.audio[0].number}", "-af", stereo(48000), "-c:a", "aac", "-b:a", "96k"]
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
        *sound,
        *("-f", "mp4", "-movflags", "+frag_keyframe+delay_moov+default_base_moof+skip_trailer", "pipe:1"),
    ]
