"""One call of one plugin, within its time, its faults kept in."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from reelkit.plugins.checking import Hook

__all__ = ["PluginFault", "TooSlow", "call_contained", "call_now"]


class PluginFault(Exception):
    """A plugin's function failed; the text names the error."""


class TooSlow(PluginFault):
    """A plugin's function took longer than it may."""


def call_now(hook: Hook, arguments: Mapping[str, Any]) -> Any:
    """Call a plugin here and now. Raises PluginFault for whatever it raises, sys.exit included."""
    try:
        return hook.function(**_wanted(hook, arguments))
    except (Exception, SystemExit) as error:
        raise PluginFault(describe_error(error)) from error


async def call_contained(hook: Hook, arguments: Mapping[str, Any], limit: float) -> Any:
    """Call a plugin beside the event loop and wait at most limit seconds. Raises PluginFault, TooSlow.

    A plain function runs in a thread of its own; one that never returns keeps that thread, which is why it is a daemon
    and why the plugin is soon quarantined. An async function that blocks the loop is found out by the clock.
    """
    start = time.monotonic()
    wanted = _wanted(hook, arguments)
    blocked = ""
    if inspect.iscoroutinefunction(hook.function):
        # It was not cancelled in time, so the loop had no turn.
        blocked = "; it blocks the event loop. Write it with def, or put what takes long into asyncio.to_thread"
        value = await _await(hook.function(**wanted), limit)
    else:
        value = await _await(_in_thread(lambda: hook.function(**wanted)), limit)
        if inspect.isawaitable(value):
            value = await _await(value, max(0.0, limit - (time.monotonic() - start)))
    if (took := time.monotonic() - start) > limit:
        raise TooSlow(f"took {took:.1f} s, {limit:g} s are allowed{blocked}")
    return value


def describe_error(error: BaseException) -> str:
    """Name an error and the line of the plugin where it came from."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError):
        return text  # which says where; it was not raised by a line of the plugin's
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return text
    return f"{text} ({trace.tb_frame.f_code.co_filename.rpartition('/')[2]} line {trace.tb_lineno})"


def _wanted(hook: Hook, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: arguments[name] for name in hook.takes}


async def _await(awaitable: Awaitable[Any], limit: float) -> Any:
    task = asyncio.ensure_future(_guard(awaitable))
    try:
        done, _ = await asyncio.wait({task}, timeout=limit)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        # Not awaited: a plugin may swallow the cancellation, and nobody is to wait for it.
        task.cancel()
        raise TooSlow(f"did not end within {limit:g} s")
    if task.cancelled():
        raise PluginFault("cancelled itself")
    return task.result()


async def _guard(awaitable: Awaitable[Any]) -> Any:
    try:
        return await awaitable
    except PluginFault:
        raise
    except (Exception, SystemExit) as error:
        raise PluginFault(describe_error(error)) from error


def _in_thread(function: Callable[[], Any]) -> asyncio.Future[Any]:
    # Not the loop's own pool: a plugin that hangs would take its threads, and hold up the end of the process.
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(value)
        else:
            fault = PluginFault(describe_error(error))
            fault.__cause__ = error
            future.set_exception(fault)

    def run() -> None:
        value: Any = None
        fault: BaseException | None = None
        try:
            value = function()
        except BaseException as error:
            fault = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, value, fault)

    threading.Thread(target=run, name="reelkit-plugin", daemon=True).start()
    return future
