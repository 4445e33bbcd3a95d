"""The sample media are what they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av


def test_the_default_sample_has_b_frames_and_sound(sample_h264: Path) -> None:
    with av.open(str(sample_h264)) as media:
        video, audio = media.streams.video[0], media.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height) == (320, 180)
        packets = [packet for packet in media.demux(video) if packet.pts is not None]
    assert abs(len(packets) - 300) <= 1
    assert any(packet.pts != packet.dts for packet in packets)


def test_a_sample_is_made_once(sample: Callable[..., Path]) -> None:
    first = sample(duration=1.0)
    made = first.stat().st_mtime_ns
    assert sample(duration=1.0).stat().st_mtime_ns == made
    assert sample(duration=1.5) != first


def test_other_codecs_and_containers(sample: Callable[..., Path]) -> None:
    made = sample(duration=1.0, video="libvpx-vp9", audio="libopus", container="webm")
    with av.open(str(made)) as media:
        assert media.format.name == "matroska,webm"
        assert media.streams.video[0].codec_context.name.endswith("vp9")
