"""Playlists of 10,000 lines, rewritten to signed links: what the topic `proxy` says of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from reelkit_streamproxy.addresses import parse_address
from reelkit_streamproxy.hls import rewrite
from reelkit_streamproxy.linking import Linker
from reelkit_streamproxy.links import Link, Links
from reelkit_streamproxy.origins import Origins
from reelkit_streamproxy.settings import Origin, Settings

from tests.bench.results import Row

__all__ = ["rows"]

LINES = 10_000
PAGE = "https://cdn.example.org/live/show/v0/index.m3u8"
ADDRESSES = {
    "relative": "seg-{:05}.ts",
    "absolute, with a query": "https://cdn.example.org/live/show/v0/seg-{:05}.ts?token=abcdefgh",
}


def rows() -> Iterator[Row]:
    """Rewrite each kind of playlist 20 times, each time as for a new viewer."""
    origins = Origins(Settings(origins={"cdn": Origin(host="*.example.org", path="/live")}))
    links = Links([b"k" * 32], seconds=43_200)
    page = Link(
        parse_address(PAGE), depth=1, expires=0, ticket='["ke4pvkDYdqWTLFdzTAVKm2eX","production","default","standard"]'
    )
    for kind, address in ADDRESSES.items():
        segments = "\n".join(f"#EXTINF:4.004,\n{address.format(number)}" for number in range(LINES // 2))
        playlist = f"#EXTM3U\n#EXT-X-VERSION:3\n{segments}\n".encode()
        taken: list[float] = []
        for _ in range(20):
            began = time.perf_counter()
            rewrite(playlist, PAGE, Linker(links, origins, page, nesting=6))
            taken.append((time.perf_counter() - began) * 1000)
        yield Row(
            topic="proxy",
            name=f"playlist of {LINES:,} lines rewritten, {kind}",
            figure=statistics.median(taken),
            unit="ms",
            limit="≤ 10",
            beside=f"fastest of 20: {min(taken):.1f} ms; {len(playlist) / 1024:.0f} KiB",
        )
