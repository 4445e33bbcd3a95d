"""The filter graph: one decoded picture, mended once, split to every size."""

from __future__ import annotations

from reelkit.interfaces.media import Probe, Rung, VideoStream

from reelkit_ffmpeg.storyboard import Storyboard

__all__ = ["FASTEST", "graph", "mended", "scaled"]

FASTEST = 60
HDR = ("smpte2084", "arib-std-b67")
_MAY_BE_INTERLACED = ("mpeg1video", "mpeg2video", "dvvideo", "prores", "h264", "vc1", "mpeg4")


def mended(video: VideoStream, *, exact: bool, width: int, height: int) -> list[str]:
    """Return what is done once to every frame: deinterlace, slow down, tone-map.

    exact: frames must keep the times that a copy of the source has. width, height: the largest size that is wanted.
    """
    chain: list[str] = []
    if not exact and video.codec in _MAY_BE_INTERLACED:
        # Frames that are not marked as interlaced pass untouched.
        chain.append("bwdif=mode=send_frame:deint=interlaced")
    if not exact and video.frame_rate > FASTEST * 1.02:
        chain.append(f"fps={FASTEST}")
    if video.transfer in HDR:
        # Scaled first, because tone mapping is the dear part; told what it is, because files often leave that out.
        chain += [
            f"setparams=color_primaries=bt2020:color_trc={video.transfer}:colorspace=bt2020nc",
            f"zscale=w={width}:h={height}",
            "zscale=t=linear:npl=100",
            "format=gbrpf32le",
            "zscale=p=bt709",
            "tonemap=hable:desat=0",
            "zscale=t=bt709:m=bt709:r=tv",
            "format=yuv420p",
        ]
    elif not video.transfer and min(video.width, video.height) >= 720:
        # Untagged HD is BT.709 to every player; its smaller renditions would be taken for BT.601.
        chain.append("setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709")
    return chain


def scaled(rung: Rung) -> list[str]:
    """Return what makes a rung of a mended frame."""
    return [f"scale={rung.width}:{rung.height}:out_range=tv", "setsar=1", "format=yuv420p"]


def graph(
    probe: Probe,
    video: VideoStream,
    rungs: tuple[Rung, ...],
    *,
    exact: bool,
    poster: bool,
    board: Storyboard | None,
) -> str:
    """Return the whole filter graph. Its outputs: [v0], [v1] … for the rungs, [poster], [board]."""
    branches = [("v" + str(number), scaled(rung)) for number, rung in enumerate(rungs)]
    if poster:
        branches.append(("poster", _poster(probe, video)))
    if board is not None:
        branches.append(("board", _sheets(board)))
    largest = rungs[0] if rungs else None
    size = (largest.width, largest.height) if largest else (video.width // 2 * 2, video.height // 2 * 2)
    head = mended(video, exact=exact, width=size[0], height=size[1])
    branches.append(("", _tick(probe)))
    names = [f"[s{number}]" for number in range(len(branches))]
    first = ",".join([*head, f"split={len(branches)}"])
    lines = [f"[0:V:0]{first}{''.join(names)}"]
    for name, (label, chain) in zip(names, branches, strict=True):
        lines.append(name + ",".join(chain) + (f"[{label}]" if label else ""))
    return ";".join(lines)


def _tick(probe: Probe) -> list[str]:
    """Return what writes to stdout how far the picture is, as `pts_time:SECONDS`, some hundred times."""
    return [
        f"select='gte(t,selected_n*{max(0.25, probe.duration / 500):.3f})'",
        "metadata=mode=add:key=at:value=1",
        r"metadata=mode=print:file='pipe\:1':direct=1",
        "nullsink",
    ]


def _poster(probe: Probe, video: VideoStream) -> list[str]:
    """Return what picks the most typical of the first frame and ten from a tenth of the way; 720 on the short side."""
    scale = min(1.0, 720 / min(video.width, video.height), 2560 / max(video.width, video.height))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (video.width, video.height))
    start = min(probe.duration * 0.1, 10.0)
    step = min(probe.duration * 0.05, 1.0)
    choice = f"eq(n,0)+gte(t,{start:.3f}+(selected_n-1)*{step:.3f})"
    return [f"select='{choice}'", f"scale={width}:{height}", "setsar=1", "thumbnail=11", "format=yuvj420p"]


def _sheets(board: Storyboard) -> list[str]:
    """Return what puts the first frame at or after each interval on sheets."""
    return [
        f"select='lt(selected_n,{board.tiles})*gte(t,selected_n*{board.interval})'",
        f"scale={board.width}:{board.height}",
        "setsar=1",
        "format=yuvj420p",
        f"tile={board.columns}x{board.rows}",
    ]
