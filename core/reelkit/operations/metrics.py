"""What Prometheus reads: requests by route template, so that ids never become labels."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every counter, which nobody asks for


class Metrics:
    """The measurements of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "reelkit_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "reelkit_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._bytes = Counter(
            "reelkit_response_bytes",
            "Bytes of bodies sent by this process, without files that the server sends.",
            ("route",),
            registry=self.registry,
        )
        self.under_way = Gauge("reelkit_requests_under_way", "Requests that are being answered.", registry=self.registry)
        # Looking a child up by its labels takes a lock and a tuple each time.
        self._by_answer: dict[tuple[str, str, int], Counter] = {}
        self._by_route: dict[str, tuple[Histogram, Counter]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float, size: int) -> None:
        """Count one answer. size: bytes of its body."""
        key = (method, route, status)
        counter = self._by_answer.get(key)
        if counter is None:
            counter = self._by_answer[key] = self._requests.labels(method, route, str(status))
        counter.inc()
        pair = self._by_route.get(route)
        if pair is None:
            pair = self._by_route[route] = (self._seconds.labels(route), self._bytes.labels(route))
        pair[0].observe(seconds)
        pair[1].inc(size)

    def text(self) -> Iterator[bytes]:
        """Yield the exposition."""
        yield generate_latest(self.registry)
