"""Sources of all kinds, made by ffmpeg once a run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import pytest
from reelkit.testing.shared import only_one, shared_folder

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()

PICTURE = ["-f", "lavfi", "-i", "testsrc2=size=192x108:rate=25:duration=10"]
SOUND = ["-f", "lavfi", "-i", "sine=frequency=500:sample_rate=48000:duration=10"]
BOTH = [*PICTURE, *SOUND]
H264 = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "50", "-pix_fmt", "yuv420p"]
AAC = ["-c:a", "aac"]

SOURCES: dict[str, list[str]] = {
    "plain.mp4": [*BOTH, *H264, *AAC],
    "faststart.mp4": ["-i", "plain.mp4", "-c", "copy", "-movflags", "+faststart"],
    "no_b_frames.mp4": [*BOTH, *H264, "-bf", "0", *AAC],
    "open_gop.mp4": [*BOTH, *H264, "-x264-params", "open-gop=1:bframes=3:b-adapt=0:scenecut=0", *AAC],
    "mixed_gops.mp4": [
        *BOTH, *H264, "-x264-params", "open-gop=1:bframes=3:b-adapt=0:scenecut=0:keyint=25", *AAC,
        "-forced-idr", "1", "-force_key_frames", "expr:gte(t,n_forced*2)",
    ],
    "short_gops.mp4": [*BOTH, *H264, "-g", "7", *AAC],
    "odd_gops.mp4": [*BOTH, *H264, "-g", "250", "-force_key_frames", "0,0.7,3.1,3.9,8.2", *AAC],
    "intra_only.mp4": [*BOTH, *H264, "-g", "1", *AAC],
    "vfr.mp4": [*BOTH, "-vf", "select='mod(n,7)*lt(mod(n,31),25)'", "-fps_mode", "vfr", *H264, *AAC],
    "hevc10.mp4": [
        *BOTH, "-c:v", "libx265", "-preset", "ultrafast", "-bf", "3",
        "-x265-params", "log-level=none:keyint=50:min-keyint=50", "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1", *AAC,
    ],
    "hev1.mp4": [
        *PICTURE, "-c:v", "libx265", "-preset", "ultrafast",
        "-x265-params", "log-level=none:keyint=50:min-keyint=50:open-gop=0", "-pix_fmt", "yuv420p", "-tag:v", "hev1",
    ],
    "av1_opus.mp4": [*BOTH, "-c:v", "libsvtav1", "-preset", "12", "-g", "50", "-pix_fmt", "yuv420p", "-c:a", "libopus"],
    "surround.mp4": [*BOTH, *H264, "-ac", "6", *AAC],
    "he_rate.mp4": [*BOTH, *H264, "-ar", "22050", *AAC],
    "rotated.mp4": ["-display_rotation", "90", "-i", "plain.mp4", "-c", "copy"],
    "wide_pixels.mp4": [*PICTURE, "-vf", "setsar=4/3", *H264],
    "quicktime.mov": [*BOTH, *H264, *AAC, "-timecode", "01:00:00:00"],
    "several_sounds.mp4": [
        *BOTH, "-f", "lavfi", "-i", "sine=frequency=900:sample_rate=44100:duration=10",
        "-map", "0", "-map", "1", "-map", "2", *H264, *AAC,
        "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra",
    ],
    "silent.mp4": [*PICTURE, *H264],
    "sound_only.m4a": [*SOUND, *AAC],
    "sound_short.mp4": [*BOTH, *H264, *AAC, "-af", "atrim=end=5.3"],
    "sound_long.mp4": [*BOTH, *H264, "-vf", "trim=end=3.2", *AAC],
    "fragmented.mp4": ["-i", "plain.mp4", "-c", "copy", "-movflags", "frag_keyframe+empty_moov+default_base_moof"],
    "delayed_moov.mp4": ["-i", "plain.mp4", "-c", "copy", "-movflags", "frag_keyframe+delay_moov"],
    "cmaf.mp4": ["-i", "plain.mp4", "-c", "copy", "-movflags", "cmaf+dash+global_sidx", "-frag_duration", "500000"],
    "large_fragments.mp4": [
        "-f", "lavfi", "-i", "nullsrc=size=128x72:rate=25:duration=40,geq=random(1)*255:128:128", *H264, "-qp", "12",
        "-g", "25", "-movflags", "frag_keyframe+delay_moov+default_base_moof",
    ],
    "large_fragments_sidx.mp4": ["-i", "large_fragments.mp4", "-c", "copy", "-movflags", "cmaf+global_sidx+skip_trailer"],
    "hybrid.mp4": ["-i", "plain.mp4", "-c", "copy", "-movflags", "frag_keyframe"],
    "negative_offsets.mp4": ["-i", "plain.mp4", "-c", "copy", "-movflags", "negative_cts_offsets"],
    "no_edits.mp4": ["-i", "plain.mp4", "-c", "copy", "-use_editlist", "0"],
    "trimmed.mp4": ["-ss", "3.3", "-i", "plain.mp4", "-c", "copy"],
    "trimmed_end.mp4": ["-i", "plain.mp4", "-t", "5.1", "-c", "copy"],
    "sound_late.mp4": ["-i", "silent.mp4", "-itsoffset", "0.5", "-i", "sound_only.m4a", "-c", "copy"],
    "sound_very_late.mp4": ["-i", "silent.mp4", "-itsoffset", "4.5", "-i", "sound_only.m4a", "-c", "copy"],
    "picture_late.mp4": ["-itsoffset", "0.5", "-i", "silent.mp4", "-i", "sound_only.m4a", "-c", "copy"],
    "both_late.mp4": ["-itsoffset", "2", "-i", "plain.mp4", "-c", "copy"],
    "ac3.mp4": [*BOTH, *H264, "-c:a", "ac3"],
    "eac3.mp4": [*BOTH, *H264, "-c:a", "eac3"],
    "flac.mp4": [*BOTH, *H264, "-c:a", "flac", "-strict", "-2"],
    "mp3.mp4": [*BOTH, *H264, "-c:a", "libmp3lame"],
    "cover.m4a": [
        "-i", "sound_only.m4a", "-f", "lavfi", "-i", "color=size=64x64:duration=0.04", "-map", "0", "-map", "1",
        "-c:a", "copy", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-disposition:v", "attached_pic",
    ],
    "vp9.mp4": [*PICTURE, "-t", "1", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
    "prores.mov": [*BOTH, "-t", "1", "-c:v", "prores", "-c:a", "pcm_s16le"],
    "pcm.mov": [*BOTH, *H264, "-c:a", "pcm_s16le"],
    "long_gop.mp4": [*PICTURE, *H264, "-g", "9999", "-sc_threshold", "0"],
    "fields.mp4": [*PICTURE, "-t", "2", "-vf", "tinterlace=4", *H264, "-flags", "+ildct+ilme"],
    "fields_high.mp4": [
        *PICTURE, "-t", "2", "-vf", "tinterlace=4", "-c:v", "libx264", "-profile:v", "high", "-flags", "+ildct+ilme",
        "-x264-params", "cqm=jvt",
    ],
    "dv.mov": [*PICTURE, "-t", "1", "-s", "720x576", "-r", "25", "-c:v", "dvvideo", "-pix_fmt", "yuv420p"],
    "high10.mp4": [*PICTURE, "-t", "1", "-c:v", "libx264", "-pix_fmt", "yuv420p10le"],
}  # fmt: skip


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the file of a source by its name in SOURCES; sources made of others make those first."""
    folder = shared_folder(tmp_path_factory, "sources")

    def make(name: str) -> Path:
        path = folder / name
        if path.exists():
            return path
        with only_one(path):
            if path.exists():
                return path
            arguments = [str(make(part)) if part in SOURCES else part for part in SOURCES[name]]
            partial = path.with_name(f"partial-{name}")
            # Bit-exact: the same file on every run, so that a failure can be looked at again.
            exact = ["-fflags", "+bitexact", "-flags", "+bitexact"]
            command = [FFMPEG, "-nostdin", "-v", "error", *arguments, *exact, str(partial)]
            run = subprocess.run(command, capture_output=True, text=True)
            assert run.returncode == 0, f"{name}: {run.stderr[-3000:]}"
            return partial.rename(path)

    return make
