"""Decode one sound of a media file into a WAV file: run by path, in a confined process, on bytes of strangers.

    sound_child.py PATH WAV QUESTION_AS_JSON

Prints nothing, or a reason for people.
"""

import json
import sys
import wave
from typing import Any

import av

RATE = 16_000


def main(path: str, to: str, question: dict[str, Any]) -> str:
    """Return what is printed."""
    try:
        with av.open(f"file:{path}", options=question["options"], metadata_errors="replace") as container:
            if question["number"] >= len(container.streams.audio):
                return "The video has no such sound."
            stream = container.streams.audio[question["number"]]
            stream.thread_count = 1
            with wave.open(to, "wb") as wav:
                wav.setnchannels(1)
                wav.setsampwidth(2)
                wav.setframerate(RATE)
                resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
                for packet in container.demux(stream):
                    try:
                        frames = packet.decode()
                    except av.error.InvalidDataError:
                        continue  # a gap is better than no captions
                    for frame in frames:
                        write(wav, resampler.resample(frame))
                write(wav, resampler.resample(None))
    except (av.error.FFmpegError, ValueError, OverflowError) as error:
        return f"The sound cannot be decoded ({getattr(error, 'strerror', None) or error})."
    return ""


def write(wav: wave.Wave_write, frames: list[av.AudioFrame]) -> None:
    """Append samples; the plane of a frame is longer than they are."""
    for frame in frames:
        wav.writeframesraw(bytes(frame.planes[0])[: frame.samples * 2])


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
