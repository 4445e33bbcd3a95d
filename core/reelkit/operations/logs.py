"""Logs: JSON lines for machines, coloured ones for a person at a terminal; every line of a request has its id."""

from __future__ import annotations

import logging
import os
import re
import sys
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

__all__ = ["configure_logs", "masked_path", "masked_query", "request_id"]

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is being answered, None outside of one."""

_SECRETS = re.compile(
    r"(^|&)((?:token|t|avh|key|(?:api|stream)[-_]?key|session(?:[-_]?token)?|signature|sig|password)=)[^&]*", re.IGNORECASE
)
_TOKEN = re.compile(r"(/(?:token|private|upload-tokens)/+)[^/]+")
"""Wherever it is: of a path that is misspelt the token still opens what it was made for."""
REMEMBERED = 256
"""Characters of queries that are masked once for many requests; whoever sends long ones fills no memory."""
_NOISY = ("dbos", "httpx", "httpcore", "asyncio", "granian.access")


def masked_query(query: str) -> str:
    """Return a query string without the values of parameters that open something."""
    return _masked(query) if len(query) <= REMEMBERED else _SECRETS.sub(r"\1\2***", query)


@lru_cache(maxsize=256)
def _masked(query: str) -> str:
    return _SECRETS.sub(r"\1\2***", query)


def masked_path(path: str) -> str:
    """Return a path without the token of a private video or live stream, and without an upload token."""
    return _TOKEN.sub(r"\1***", path) if "token" in path or "/private/" in path else path


def configure_logs(style: str | None = None, level: str | None = None) -> str:
    """Send structlog and the standard library's loggers to stderr; return the style.

    style: json or console; from REELKIT_LOG, else console for a terminal. level: from REELKIT_LOG_LEVEL, else info.
    """
    style = style or os.environ.get("REELKIT_LOG") or ("console" if sys.stderr.isatty() else "json")
    number = logging.getLevelNamesMapping().get(
        (level or os.environ.get("REELKIT_LOG_LEVEL") or "info").upper(), logging.INFO
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    finish: list[Processor]
    if style == "json":
        finish = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        finish = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    return style


def _add_request_id(_logger: Any, _method: str, event: EventDict) -> EventDict:
    id = request_id.get()
    if id is not None:
        event.setdefault("request_id", id)
    return event
