"""What is counted, and that counting goes on while it is read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import pytest
from prometheus_client.metrics_core import CounterMetricFamily
from reelkit.operations import metrics


def test_routes_that_are_first_met_while_a_thread_collects_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    requests, numbers = metrics.Requests(), count()

    class Interrupted(CounterMetricFamily):
        """The event loop answers a request of a new route between any two samples."""

        def add_metric(self, labels: Sequence[str], value: float, *rest: object) -> None:
            requests.answered("GET", f"/meanwhile/{next(numbers)}", 200, 0.1, 1)
            super().add_metric(labels, value)

    monkeypatch.setattr(metrics, "CounterMetricFamily", Interrupted)
    for number in range(3):
        requests.answered("GET", f"/before/{number}", 200, 0.1, 1)
    answers, lasted, *_ = requests.collect()
    assert len(answers.samples) == 3
    assert {sample.labels["route"] for sample in lasted.samples} >= {"/before/0", "/before/1", "/before/2"}
