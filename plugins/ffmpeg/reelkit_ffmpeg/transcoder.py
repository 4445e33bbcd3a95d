"""The transcoder that ffmpeg plays: one process a ladder, one decode for every size and image."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from reelkit.interfaces.media import Probe
from reelkit.interfaces.transcoder import (
    CutTask,
    DraftSegment,
    DraftTask,
    MuxTask,
    Output,
    Outputs,
    SoundTask,
    TranscodeFailed,
    TranscodeTask,
)

from reelkit_ffmpeg.arguments import audio_output, image_output, key_frame_arguments, largest, video_output
from reelkit_ffmpeg.cutting import cut
from reelkit_ffmpeg.draft import draft
from reelkit_ffmpeg.graph import graph
from reelkit_ffmpeg.muxing import mux
from reelkit_ffmpeg.process import encode, input_of, started
from reelkit_ffmpeg.settings import Settings
from reelkit_ffmpeg.sound import sound
from reelkit_ffmpeg.storyboard import Storyboard, storyboard_of, webvtt

__all__ = ["FfmpegTranscoder"]


class FfmpegTranscoder:
    """Implements reelkit.interfaces.transcoder.Transcoder, Cuts, Muxes and Sounds."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Raises FileNotFoundError when there is no ffmpeg."""
        self.settings = settings or Settings()
        self.settings.program()

    def can(self, probe: Probe) -> bool:
        """Tell whether there is something to encode; what ffmpeg cannot decode, the probe could not open either."""
        return probe.video is not None or bool(probe.audio)

    async def run(self, task: TranscodeTask, progress: Callable[[float], None]) -> Outputs:
        """Encode a ladder. Raises TranscodeFailed; Interrupted and OSError when trying again may work."""
        plan = _Plan(task)
        arguments = await asyncio.to_thread(plan.arguments, self.settings)
        if arguments:
            ceiling = largest(task.ladder.rungs, task.probe.duration)
            async with started(
                arguments,
                self.settings,
                [task.source],
                task.folder,
                task.probe.duration,
                largest=ceiling,
                niceness=self.settings.niceness,
            ) as process:
                await encode(process, task.probe.duration, self.settings.stall_seconds, progress)
        outputs = await asyncio.to_thread(plan.outputs)
        progress(1.0)
        return outputs

    def draft(self, task: DraftTask, progress: Callable[[float], None]) -> AsyncIterator[DraftSegment]:
        """Yield a draft as it grows. Raises TranscodeFailed; Interrupted and OSError when trying again may work."""
        return draft(task, self.settings, progress)

    def sound(self, task: SoundTask, progress: Callable[[float], None]) -> AsyncIterator[DraftSegment]:
        """Yield a sound as it grows. Raises TranscodeFailed; Interrupted and OSError when trying again may work."""
        return sound(task, self.settings, progress)

    async def cut(self, task: CutTask, progress: Callable[[float], None]) -> Path:
        """Write a part of a source. Raises TranscodeFailed; Interrupted and OSError when trying again may work."""
        return await cut(task, self.settings, progress)

    async def mux(self, task: MuxTask, progress: Callable[[float], None]) -> Path:
        """Put a rendition and its sounds into one file. Raises TranscodeFailed; Interrupted and OSError as above."""
        return await mux(task, self.settings, progress)


class _Plan:
    """Which files one run makes, and the arguments that make them."""

    def __init__(self, task: TranscodeTask) -> None:
        self.task = task
        self.video = task.probe.video
        images = self.video is not None
        self.poster = task.folder / "poster.jpg" if task.poster and images else None
        self.board: Storyboard | None = None
        if task.storyboard and self.video is not None:
            self.board = storyboard_of(self.video, task.probe.duration)
        streams = {stream.number: stream for stream in task.probe.audio}
        self.sounds = [(streams[number], task.folder / f"audio-{number}.mp4") for number in task.ladder.sounds]

    def rendition(self, name: str) -> Path:
        return self.task.folder / f"{name}.mp4"

    def arguments(self, settings: Settings) -> list[str]:
        """Return ffmpeg's arguments; none when there is nothing to do. Blocking."""
        task, rungs, exact = self.task, self.task.ladder.rungs, self.task.ladder.copy_video
        if not (rungs or self.sounds or self.poster or self.board):
            return []
        only_images = not rungs and not self.sounds
        pictures = self.video is not None and (rungs or self.poster or self.board)
        arguments = [] if pictures else ["-progress", "pipe:1", "-stats_period", "0.25"]
        if exact:
            # A copy keeps the times of the file, also where nothing begins at zero; so must what joins it.
            arguments.append("-copyts")
        arguments += input_of(task.source, settings, key_frames_only=only_images and exact)
        if self.video is not None and pictures:
            whole = graph(task.probe, self.video, rungs, exact=exact, poster=self.poster is not None, board=self.board)
            arguments += ["-filter_complex", whole, "-filter_complex_threads", str(settings.threads)]
        forced = key_frame_arguments(task.ladder.key_frames, task.folder)
        for number, rung in enumerate(rungs):
            arguments += video_output(f"v{number}", rung, forced, settings, self.rendition(rung.name))
        for stream, path in self.sounds:
            arguments += audio_output(stream, settings, path)
        if self.poster is not None:
            arguments += image_output("poster", self.poster, one=True)
        if self.board is not None:
            arguments += image_output("board", task.folder / "storyboard-%03d.jpg", one=False)
        return arguments

    def outputs(self) -> Outputs:
        """Collect what was made and write the WebVTT. Blocking. Raises TranscodeFailed when a rendition is missing."""
        task = self.task
        renditions = tuple(Output(path=self.rendition(rung.name), rung=rung) for rung in task.ladder.rungs)
        sounds = tuple(path for _, path in self.sounds)
        for made in (*(output.path for output in renditions), *sounds):
            if not made.exists() or made.stat().st_size == 0:
                raise TranscodeFailed("No picture or sound could be decoded; the file may be damaged.")
        sheets = sorted(task.folder.glob("storyboard-*.jpg"))
        if self.board is not None and sheets:
            listing = task.folder / "storyboard.vtt"
            names = [sheet.name for sheet in sheets]
            listing.write_text(webvtt(self.board, names, task.probe.duration), encoding="utf-8")
            sheets.append(listing)
        poster = self.poster if self.poster is not None and self.poster.exists() else None
        return Outputs(renditions=renditions, sounds=sounds, poster=poster, storyboard=tuple(sheets))
