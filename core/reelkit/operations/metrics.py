"""What Prometheus reads: requests by route template, so that ids never become labels."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_BOUNDS = (*(str(float(second)) for second in SECONDS), "+Inf")


disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every counter, which nobody asks for


class _Route:
    """What was answered on one route. buckets: answers by the first of SECONDS that they took at most, then the rest."""

    __slots__ = ("buckets", "bytes", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(SECONDS) + 1)
        self.seconds = 0.0
        self.bytes = 0


class Requests(Collector):
    """Tallies of one process, kept by its event loop alone: the library's own take a lock for every number."""

    def __init__(self) -> None:
        self.under_way = 0
        self._answers: dict[tuple[str, str, int], int] = {}
        self._routes: dict[str, _Route] = {}

    def answered(self, method: str, route: str, status: int, seconds: float, size: int) -> None:
        """Count one answer. size: bytes of its body."""
        key = (method, route, status)
        self._answers[key] = self._answers.get(key, 0) + 1
        tally = self._routes.get(route)
        if tally is None:
            tally = self._routes[route] = _Route()
        tally.buckets[bisect_left(SECONDS, seconds)] += 1
        tally.seconds += seconds
        tally.bytes += size

    def collect(self) -> Iterator[Metric]:
        """Yield what was counted so far. Called in a thread, so it goes over copies: the loop may add a route meanwhile."""
        requests = CounterMetricFamily("reelkit_requests", "Requests answered.", labels=("method", "route", "status"))
        for (method, route, status), number in tuple(self._answers.items()):
            requests.add_metric((method, route, str(status)), number)
        yield requests
        lasted = HistogramMetricFamily(
            "reelkit_request_seconds", "From the first byte of a request to the last of its answer.", labels=("route",)
        )
        sent = CounterMetricFamily(
            "reelkit_response_bytes",
            "Bytes of bodies sent by this process, without files that the server sends.",
            labels=("route",),
        )
        for route, tally in tuple(self._routes.items()):
            buckets = list(zip(_BOUNDS, accumulate(tally.buckets), strict=True))
            lasted.add_metric((route,), buckets, tally.seconds)
            sent.add_metric((route,), tally.bytes)
        yield lasted
        yield sent
        yield GaugeMetricFamily("reelkit_requests_under_way", "Requests that are being answered.", self.under_way)


class Metrics:
    """The measurements of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Requests()
        self.registry.register(self.requests)

    def text(self) -> Iterator[bytes]:
        """Yield the exposition."""
        yield generate_latest(self.registry)
