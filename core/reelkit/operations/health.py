"""/healthz: the process answers. /readyz: everything that it needs answers too. /metrics: what Prometheus reads.

Load balancers anywhere may ask for the first two; what they would learn beside a status is for [operations] allow.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

import msgspec
import structlog
from litestar import Request, Response, get
from litestar.datastructures import State

from reelkit.access.policies import address_within
from reelkit.hookspecs import HealthCheck
from reelkit.jobs.runtime import Runtime
from reelkit.operations.metrics import CONTENT_TYPE, Metrics
from reelkit.plugins import Plugins
from reelkit.problems import AccessDenied

__all__ = ["CheckResult", "Readiness", "ReadinessReport", "healthz", "metrics", "readyz"]

LIMIT = 1.0
"""Seconds that a check may take."""
REMEMBERED = 1.0
"""Seconds for which a report is repeated, so that asking often costs nothing."""

log = structlog.get_logger("reelkit.health")

NO_STORE = {"cache-control": "no-store"}


class CheckResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one part fares. detail: a sentence for people when it does not; ms: how long it took to answer."""

    name: str
    ok: bool
    ms: float
    detail: str = ""


class ReadinessReport(msgspec.Struct, frozen=True):
    """The JSON of /readyz. quarantined: plugins that overstepped their budget; they do not make the site unready."""

    status: Literal["ready", "not ready"]
    checks: tuple[CheckResult, ...]
    quarantined: tuple[str, ...]


class Readiness:
    """Asks every part whether it works, all at the same time."""

    def __init__(self, checks: Sequence[HealthCheck], plugins: Plugins) -> None:
        self._checks = tuple(checks)
        self._plugins = plugins
        self._report: tuple[float, ReadinessReport] | None = None
        self._asking = asyncio.Lock()

    @classmethod
    def of(cls, runtime: Runtime) -> Readiness:
        """Ask what a process needs: database, storage, queue, and what plugins add."""
        checks = [
            HealthCheck("database", runtime.database.check),
            HealthCheck("storage", runtime.storage.check),
            HealthCheck("queue", runtime.engine.check),
        ]
        for check in runtime.plugins.health_checks():
            checks.append(HealthCheck(f"plugin {check.name}", check.check))
        return cls(checks, runtime.plugins)

    async def report(self) -> ReadinessReport:
        """Return how all parts fare, at most 1 s old."""
        async with self._asking:
            if self._report is not None and time.monotonic() - self._report[0] < REMEMBERED:
                return self._report[1]
            results = await asyncio.gather(*(_ask(check.name, check.check) for check in self._checks))
            ready = all(result.ok for result in results)
            report = ReadinessReport("ready" if ready else "not ready", tuple(results), self._plugins.quarantined)
            self._report = (time.monotonic(), report)
            return report


async def _ask(name: str, check: Callable[[], Awaitable[None]]) -> CheckResult:
    start = time.perf_counter()
    detail = ""
    try:
        async with asyncio.timeout(LIMIT):
            await check()
    except TimeoutError:
        detail = f"No answer within {LIMIT:g} s."
    except Exception as error:
        detail = str(error) or type(error).__name__
    if detail:
        log.warning("not ready", part=name, detail=detail)
    return CheckResult(name, not detail, round((time.perf_counter() - start) * 1000, 2), detail)


@get("/healthz", media_type="application/json", operation_id="GET_healthz")
async def healthz() -> Response[dict[str, str]]:
    """Tell that this process answers."""
    return Response({"status": "alive"}, headers=NO_STORE)


@get("/readyz", media_type="application/json", operation_id="GET_readyz")
async def readyz(request: Request[Any, Any, Any], state: State) -> Response[ReadinessReport]:
    """Tell whether everything that this process needs answers; 503 when not. Strangers are not told what does not."""
    readiness: Readiness = state.readiness
    report = await readiness.report()
    if not _of_operators(request):
        report = ReadinessReport(report.status, (), ())
    return Response(report, status_code=200 if report.status == "ready" else 503, headers=NO_STORE)


@get("/metrics", media_type="text/plain", sync_to_thread=True, operation_id="GET_metrics")
def metrics(request: Request[Any, Any, Any], state: State) -> Response[bytes]:
    """Return the measurements of this process in the format of Prometheus."""
    if not _of_operators(request):
        raise AccessDenied(detail="Measurements are for the addresses of `allow` under [operations].")
    measured: Metrics = state.metrics
    text: Any = b"".join(measured.text())
    # Litestar adds the charset to every text.
    return Response(text, media_type=CONTENT_TYPE.partition("; charset=")[0], headers=NO_STORE)


def _of_operators(request: Request[Any, Any, Any]) -> bool:
    """Tell whether a request comes from where operators are."""
    runtime: Runtime = request.app.state.runtime
    client = request.client
    return client is not None and address_within(client.host, runtime.site.operations.allow)
