"""A real HLS stream made by ffmpeg, for tests of players: two qualities, sound apart, captions, poster, storyboard."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg

__all__ = ["DURATION", "make_stream"]

DURATION = 24
CAPTIONS = """WEBVTT
X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000

00:00:00.000 --> 00:00:20.000
A caption over the picture
"""
PLAYLIST = f"""#EXTM3U
#EXT-X-TARGETDURATION:{DURATION}
#EXT-X-PLAYLIST-TYPE:VOD
#EXTINF:{DURATION}.0,
captions.vtt
#EXT-X-ENDLIST
"""


def ffmpeg(*arguments: str) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, capture_output=True)


def make_stream(folder: Path) -> Path:
    """Fill folder with `hls/manifest.m3u8`, `thumbnail.jpg` and `storyboard/`, and return it."""
    hls, board = folder / "hls", folder / "storyboard"
    hls.mkdir(parents=True)
    board.mkdir()
    picture = f"testsrc2=size=1280x720:rate=25:duration={DURATION}"
    ffmpeg(
        *("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", f"sine=frequency=330:duration={DURATION}"),
        *("-filter_complex", "[0:v]split[a][b];[b]scale=640:360[c]", "-map", "[a]", "-map", "[c]", "-map", "1:a"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-sc_threshold", "0", "-pix_fmt", "yuv420p"),
        *("-b:v:0", "900k", "-b:v:1", "300k", "-c:a", "aac", "-b:a", "64k", "-threads", "1"),
        *("-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod", "-hls_segment_type", "fmp4"),
        *("-var_stream_map", "v:0,agroup:sound v:1,agroup:sound a:0,agroup:sound,language:en,default:yes"),
        *("-master_pl_name", "manifest.m3u8", str(hls / "stream_%v.m3u8")),
    )
    (hls / "captions.vtt").write_text(CAPTIONS)
    (hls / "captions.m3u8").write_text(PLAYLIST)
    master = (hls / "manifest.m3u8").read_text().replace("#EXT-X-STREAM-INF:", '#EXT-X-STREAM-INF:SUBTITLES="words",')
    media = '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="words",NAME="English",LANGUAGE="en",URI="captions.m3u8"\n'
    head, rest = master.split("\n", 1)
    (hls / "manifest.m3u8").write_text(f"{head}\n{media}{rest}")
    ffmpeg("-f", "lavfi", "-i", picture, "-frames:v", "1", str(folder / "thumbnail.jpg"))
    ffmpeg(
        *("-f", "lavfi", "-i", picture, "-vf", "fps=1/2,scale=160:90,tile=4x3"),
        *("-frames:v", "1", str(board / "sheet.jpg")),
    )
    cues = "".join(
        f"\n{stamp(2 * i)} --> {stamp(2 * i + 2)}\nsheet.jpg#xywh={160 * (i % 4)},{90 * (i // 4)},160,90\n"
        for i in range(12)
    )
    (board / "storyboard.vtt").write_text(f"WEBVTT\n{cues}")
    return folder


def stamp(seconds: int) -> str:
    return f"00:00:{seconds:02}.000"
