"""Pictures that are copied, beside sounds that have to be encoded."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import av
import pytest
from reelkit.catalog import videos, work
from reelkit.catalog.playback import Playback
from reelkit.catalog.sources import Source
from reelkit.delivery import segments
from reelkit.delivery.library import Library
from reelkit.delivery.segments import Segments
from reelkit.jobs import sound as sound_job
from reelkit.jobs.ingest import ingest
from reelkit.jobs.job import JobContext
from reelkit.jobs.runtime import Runtime, running
from reelkit.jobs.sound import sound, sound_failed
from reelkit.jobs.transcode import transcode, transcode_failed
from reelkit.operations.recovery import sweep
from reelkit.plugins import load_plugins
from reelkit.problems import NotReady
from reelkit.testing.streams import joined

Upload = Callable[[Path], Awaitable[Source]]
Begin = Callable[[str, Source], JobContext]
SampleMaker = Callable[..., Path]
UntilPlayable = Callable[..., Awaitable[Playback]]

PCM = {"container": "mov", "audio": "pcm_s16le"}
THREE = ("-metadata:s:a:0", "language=ger", "-metadata:s:a:1", "language=fra", "-disposition:a:1", "default")


class Watched:
    """A video as its players see it."""

    def __init__(self, runtime: Runtime, source: Source) -> None:
        self._library = Library(runtime.storage)
        self._segments = Segments(self._library)
        self._id = source.video_id

    async def view(self) -> Playback:
        self._library.forget(self._id)
        view = await self._library.view(self._id)
        assert view is not None
        return view

    async def manifest(self) -> str | None:
        answer = await self._segments.manifest(await self.view())
        return None if answer is None else (await joined(answer.body.read(0, answer.body.size))).decode()

    async def piece(self, address: str) -> bytes:
        """Fetch what a playlist names as RENDITION/TRACK/FILE."""
        rendition, track, name = address.split("/")
        what: Any = {"playlist.m3u8": "playlist", "init.mp4": "init"}.get(name) or int(name.removesuffix(".m4s"))
        answer = await self._segments.piece(await self.view(), rendition, track, what)
        assert answer is not None, address
        return await joined(answer.body.read(0, answer.body.size))

    async def sounds(self) -> list[str]:
        return re.findall(r'^#EXT-X-MEDIA:TYPE=AUDIO.*URI="([^"]+)"', await self.manifest() or "", re.MULTILINE)

    async def whole(self, playlist: str) -> bytes:
        """Play a media playlist: its init segment and all of its segments."""
        text = (await self.piece(playlist)).decode()
        assert "#EXT-X-PLAYLIST-TYPE:VOD" in text and text.endswith("#EXT-X-ENDLIST\n")
        folder = playlist.rpartition("/")[0]
        names = [re.findall(r'MAP:URI="([^"]+)"', text)[0], *re.findall(r"^[^#].*$", text, re.MULTILINE)]
        return b"".join([await self.piece(f"{folder}/{name}") for name in names])


@pytest.fixture
async def source(runtime: Runtime, upload: Upload, job: Begin, sample: SampleMaker) -> Source:
    """H.264 with uncompressed sound, ingested."""
    put = await upload(sample(duration=21, **PCM))
    await ingest(runtime, job("ingest", put), {"source_id": put.id})
    return put


def loudness(data: bytes, path: Path) -> list[float]:
    """Return the loudness of each second."""
    path.write_bytes(data)
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("s16", "mono", 8000)
        frames = [made for frame in container.decode(audio=0) for made in resampler.resample(frame)]
    samples = [value for frame in frames for value in frame.to_ndarray()[0].tolist()]
    return [max(map(abs, samples[at : at + 8000])) for at in range(0, len(samples) - 4000, 8000)]


async def test_a_picture_waits_for_the_beginning_of_its_sound_and_no_longer(
    runtime: Runtime, source: Source, job: Begin, told: Any, tmp_path: Path
) -> None:
    watched = Watched(runtime, source)
    assert (await watched.view()).playable is False and await watched.manifest() is None
    # The MP4 file is the source itself.
    assert [event.get("encoding", event["type"]) for event in told()] == ["mp4"]
    run = asyncio.create_task(sound(runtime, job("sound", source), {"source_id": source.id}))
    while (master := await watched.manifest()) is None:
        await asyncio.sleep(0.01)
        assert not run.done() or run.exception() is None
    assert not run.done()
    [address] = await watched.sounds()
    assert 'CHANNELS="2"' in master and re.search('CODECS="avc1.*,mp4a.40.2"', master)
    early = (await watched.piece(address)).decode()
    # Every segment can be asked for; those to come are waited for.
    heard = await watched.whole(address)
    await run
    assert await watched.sounds() == [address]
    assert (await watched.piece(address)).decode() == early
    assert await watched.whole(address) == heard
    levels = loudness(heard, tmp_path / "heard.mp4")
    assert len(levels) == 21 and min(levels) > 1000
    assert [event.get("encoding", event["type"]) for event in told()] == ["mp4", "video.playable", "hls"]


async def test_the_files_of_a_whole_sound_are_two(
    runtime: Runtime, source: Source, job: Begin, keys: Callable[[], Awaitable[list[str]]]
) -> None:
    await sound(runtime, job("sound", source), {"source_id": source.id})
    await sweep(runtime.storage)
    [made] = [one for one in await work.renditions_of(source.id) if one.kind == "audio"]
    assert made.status == "encoded" and made.bandwidth >= made.average_bandwidth > 60_000
    assert {key for key in await keys() if made.id in key} == {made.index_key, made.storage_key}
    # A second attempt finds nothing to do.
    await sound(runtime, job("sound", source), {"source_id": source.id})


async def test_the_next_attempt_goes_on_under_the_same_addresses(
    runtime: Runtime, source: Source, job: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, published = sound_job._publish, 0

    async def torn(*arguments: Any) -> bool:
        nonlocal published
        published += 1
        if published == 3:
            raise ConnectionError
        return await publish(*arguments)

    monkeypatch.setattr(sound_job, "_publish", torn)
    with pytest.raises(ExceptionGroup):
        await sound(runtime, job("sound", source), {"source_id": source.id})
    watched = Watched(runtime, source)
    [before] = await watched.sounds()
    monkeypatch.setattr(segments, "HELD_SECONDS", 0.3)
    with pytest.raises(NotReady):
        await watched.piece(before.replace("playlist.m3u8", "3.m4s"))
    playlist, first = await watched.piece(before), await watched.piece(before.replace("playlist.m3u8", "1.m4s"))
    await sound(runtime, job("sound", source), {"source_id": source.id})
    assert await watched.sounds() == [before]
    assert await watched.piece(before) == playlist
    assert await watched.piece(before.replace("playlist.m3u8", "1.m4s")) == first


async def test_a_sound_that_cannot_be_made_leaves_a_silent_picture(
    runtime: Runtime, source: Source, job: Begin, told: Any
) -> None:
    await transcode_failed(runtime, {"source_id": source.id}, "Too small.")
    await sound_failed(runtime, {"source_id": source.id}, "Nobody can hear it.")
    assert await Watched(runtime, source).sounds() == []
    assert "video.playable" in told.types and "video.failed" not in told.types
    [made] = [one for one in await work.renditions_of(source.id) if one.kind == "audio"]
    assert (made.status, made.failure) == ("failed", "Nobody can hear it.")


async def test_a_video_that_was_deleted_ends_its_sound(
    runtime: Runtime, source: Source, job: Begin, until_playable: UntilPlayable, keys: Callable[[], Awaitable[list[str]]]
) -> None:
    run = asyncio.create_task(sound(runtime, job("sound", source), {"source_id": source.id}))
    await until_playable(source.video_id, run)
    await videos.delete(source.scope, source.video_id)
    await asyncio.wait_for(run, 60)
    await sweep(runtime.storage)
    assert await keys() == []


async def test_every_sound_is_listed_once_from_the_best_it_can_come_from(
    runtime: Runtime, upload: Upload, job: Begin, sample: SampleMaker, tmp_path: Path, ffmpeg: Callable[..., None]
) -> None:
    three = sample(duration=5, audio_tracks=3)
    mixed = ("-map", "0", "-c", "copy", "-c:a:0", "ac3", "-c:a:2", "libopus", "-ac:a:0", "6", *THREE)
    ffmpeg("-i", three, *mixed, tmp_path / "three.mp4")
    source = await upload(tmp_path / "three.mp4")
    await ingest(runtime, job("ingest", source), {"source_id": source.id})
    watched = Watched(runtime, source)
    # What can be heard is heard at once.
    assert len(await watched.sounds()) == 2
    await sound(runtime, job("sound", source), {"source_id": source.id})
    master = await watched.manifest()
    assert master is not None
    listed = [line for line in master.splitlines() if line.startswith("#EXT-X-MEDIA")]
    facts = [re.findall(r'(?:NAME|LANGUAGE|DEFAULT|CHANNELS)="?([^",]+)', line) for line in listed]
    assert [sorted(found) for found in facts] == [
        sorted(["Deutsch", "de", "YES", "2"]),
        sorted(["Français", "fr", "NO", "2"]),
        ["2", "Audio 3", "NO"],
    ]
    copies = [one.id for one in await work.renditions_of(source.id) if one.kind == "copy"]
    assert [address.split("/")[0] in copies for address in await watched.sounds()] == [False, True, False]
    tones = [strongest(await watched.whole(address), tmp_path / "tone.mp4") for address in await watched.sounds()]
    assert tones == pytest.approx([440, 880, 1320], abs=10)


def strongest(data: bytes, path: Path) -> float:
    """Return the loudest tone, in Hz."""
    import numpy as np

    path.write_bytes(data)
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", 8000)
        frames = [made for frame in container.decode(audio=0) for made in resampler.resample(frame)]
    heard = np.concatenate([frame.to_ndarray()[0] for frame in frames])[8000:16000]
    return float(np.abs(np.fft.rfft(heard)).argmax())


@pytest.mark.parametrize(
    "options",
    [PCM, {"audio": "ac3"}, {"audio": "libmp3lame"}, {"audio": "alac", "container": "mov"}],
    ids=lambda options: str(options["audio"]),
)
async def test_a_second_after_the_last_byte_there_is_something_to_watch_and_to_hear(
    options: dict[str, Any],
    site: Any,
    sample: SampleMaker,
    upload_to: Callable[[Runtime, Path], Awaitable[Source]],
    until_playable: UntilPlayable,
) -> None:
    made = sample(duration=30, **options)
    async with running(site, load_plugins(site, third_party=True)) as runtime:
        put = await upload_to(runtime, made)
        started = time.monotonic()
        await runtime.engine.submit("ingest", put.id, {"source_id": put.id})
        await until_playable(put.video_id)
        took = time.monotonic() - started
    # Ten times the promise, as tests share the machine.
    assert took < 10
    print(f"playable after {took:.2f} s")


async def test_on_an_object_store_it_is_the_same(
    s3_site: Any, sample: SampleMaker, upload_to: Callable[[Runtime, Path], Awaitable[Source]], job: Begin, tmp_path: Path
) -> None:
    async with running(s3_site, load_plugins(s3_site, third_party=True), run_jobs=False) as runtime:
        source = await upload_to(runtime, sample(duration=9, **PCM))
        await ingest(runtime, job("ingest", source), {"source_id": source.id})
        run = asyncio.create_task(sound(runtime, job("sound", source), {"source_id": source.id}))
        watched = Watched(runtime, source)
        while not (addresses := await watched.sounds()):
            assert not run.done() or run.exception() is None
            await asyncio.sleep(0.02)
        early = await watched.whole(addresses[0])
        await run
        assert await watched.whole(addresses[0]) == early
        assert len(loudness(early, tmp_path / "heard.mp4")) == 9


async def test_every_sound_of_a_source_that_is_encoded_is_listed(
    runtime: Runtime, upload: Upload, job: Begin, sample: SampleMaker, tmp_path: Path, ffmpeg: Callable[..., None]
) -> None:
    two = sample(duration=4, audio_tracks=2)
    tagged = ("-metadata:s:a:0", "language=ger", "-metadata:s:a:1", "language=fre", "-disposition:a:0", "0")
    ffmpeg("-i", two, "-map", "0", "-c", "copy", *tagged, "-disposition:a:1", "default", tmp_path / "two.mkv")
    source = await upload(tmp_path / "two.mkv")
    await ingest(runtime, job("ingest", source), {"source_id": source.id})
    await transcode(runtime, job("transcode", source), {"source_id": source.id})
    watched = Watched(runtime, source)
    master = await watched.manifest()
    assert master is not None
    # The one that the file says to play comes first.
    assert re.findall(r'LANGUAGE="(\w+)",DEFAULT=(\w+)', master) == [("fr", "YES"), ("de", "NO")]
    tones = [strongest(await watched.whole(address), tmp_path / "tone.mp4") for address in await watched.sounds()]
    assert tones == pytest.approx([880, 440], abs=10)


async def test_surround_is_heard_as_it_is_until_there_is_stereo_for_everybody(
    runtime: Runtime, upload: Upload, job: Begin, sample: SampleMaker, tmp_path: Path, ffmpeg: Callable[..., None]
) -> None:
    ffmpeg("-i", sample(duration=4), "-c:v", "copy", "-c:a", "aac", "-ac", "6", tmp_path / "six.mp4")
    source = await upload(tmp_path / "six.mp4")
    await ingest(runtime, job("ingest", source), {"source_id": source.id})
    watched = Watched(runtime, source)
    assert re.findall(r'CHANNELS="(\d+)"', await watched.manifest() or "") == ["6"]
    await sound(runtime, job("sound", source), {"source_id": source.id})
    assert re.findall(r'CHANNELS="(\d+)"', await watched.manifest() or "") == ["2"]


async def test_a_sound_that_nobody_decodes_is_told_and_does_not_hold_up_the_picture(
    runtime: Runtime, upload: Upload, job: Begin, sample: SampleMaker, tmp_path: Path
) -> None:
    strange = tmp_path / "strange.mov"
    strange.write_bytes(sample(duration=3, **PCM).read_bytes().replace(b"sowt", b"zzzz"))
    source = await upload(strange)
    await ingest(runtime, job("ingest", source), {"source_id": source.id})
    await sound(runtime, job("sound", source), {"source_id": source.id})
    watched = Watched(runtime, source)
    assert (await watched.view()).playable
    assert await watched.sounds() == []
    [made] = [one for one in await work.renditions_of(source.id) if one.kind == "audio"]
    assert (made.status, made.failure) == (
        "failed",
        "The picture or the sound is in a codec that this site does not decode.",
    )
