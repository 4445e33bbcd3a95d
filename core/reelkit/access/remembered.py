"""What was found out a moment ago, so that it need not be asked for again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Remembered"]

T = TypeVar("T")


class Remembered(Generic[T]):
    """A few values for a few seconds; the ones used longest ago leave first."""

    def __init__(self, size: int, seconds: float, clock: Callable[[], float]) -> None:
        self._size, self._seconds, self._clock = size, seconds, clock
        self._values: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def get(self, name: str) -> T | None:
        """Return a value that is not too old."""
        since, value = self._values.get(name, (0.0, None))
        if value is None:
            return None
        if self._clock() - since >= self._seconds:
            del self._values[name]
            return None
        self._values.move_to_end(name)
        return value

    def put(self, name: str, value: T, since: float) -> None:
        """Keep a value that was true at `since`."""
        self._values[name] = (since, value)
        self._values.move_to_end(name)
        if len(self._values) > self._size:
            self._values.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()

    def __len__(self) -> int:
        return len(self._values)
