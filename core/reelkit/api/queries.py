"""Query strings in: the spellings that the official clients use, and what is wrong with the others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from reelkit.problems import InvalidQueryParameter, OutOfRange, Problem, every

__all__ = ["Query"]

MOST_SEARCHED = 1000
"""Characters. SQLite takes patterns of 50,000 bytes, and some letters unfold to 33."""


class Query:
    """A query string, read with faults collected: read everything, then call `check`."""

    def __init__(self, query_string: bytes) -> None:
        self.pairs: list[tuple[str, str]] = parse_qsl(
            query_string.decode("utf-8", "replace"), keep_blank_values=True, errors="replace"
        )
        self.faults: list[Problem] = []
        for name, value in self.pairs:
            if "\0" in value or "\0" in name:
                self.faults.append(InvalidQueryParameter(name=name.replace("\0", ""), detail="U+0000 is not allowed."))

    def text(self, name: str) -> str | None:
        """Return a parameter, the last one if it comes twice; empty counts as absent."""
        return next((value for key, value in reversed(self.pairs) if key == name and value), None)

    def search(self, name: str) -> str | None:
        """Return a text that is looked for in others. Fault: longer than databases look for."""
        given = self.text(name)
        if given is not None and len(given) > MOST_SEARCHED:
            self.faults.append(InvalidQueryParameter(name=name, detail=f"Search for at most {MOST_SEARCHED} characters."))
        return given

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """Return an integer low <= n <= high. Faults: not a number, out of range."""
        given = self.text(name)
        if given is None:
            return default
        if not re.fullmatch(r"[+-]?[0-9]{1,30}", given):
            self.faults.append(InvalidQueryParameter(name=name, detail="This must be a whole number."))
            return default
        if not low <= int(given) <= high:
            self.faults.append(OutOfRange(name=name, range=(low, high)))
            return default
        return int(given)

    def one_of(self, name: str, allowed: Iterable[str], default: str) -> str:
        """Return one of the allowed words. Fault: another word."""
        given = self.text(name)
        if given is None:
            return default
        if given not in (words := tuple(allowed)):
            self.faults.append(InvalidQueryParameter(name=name, detail=f"This must be one of {', '.join(words)}."))
            return default
        return given

    def array(self, name: str) -> tuple[str, ...]:
        """Return `name[]=a&name[]=b`, also spelt `name[0]=a` or `name=a`. Fault: another spelling."""
        return tuple(value for _, value in self._spelt(name, r"(?:\[\d*\])?", f"{name}[]=VALUE"))

    def mapping(self, name: str) -> tuple[tuple[str, str], ...]:
        """Return the pairs of `name[key]=value`, also spelt `name[key][]=value` or `name[key][0]=value`, in order.

        A key may hold any characters, and may come several times. Fault: another spelling.
        """
        found = self._spelt(name, r"\[(.*?)\](?:\[\d*\])?", f"{name}[KEY]=VALUE")
        return tuple((key[1], value) for key, value in found)

    def _spelt(self, name: str, spelling: str, right: str) -> list[tuple[re.Match[str], str]]:
        """Return the parameters of a filter, with values. What is misspelt is no filter, and would let everything in."""
        whole, found = re.compile(re.escape(name) + spelling, re.DOTALL), []
        for key, value in self.pairs:
            if match := whole.fullmatch(key):
                found.append((match, value))
            elif value and (key == name or key.startswith(f"{name}[")):
                self.faults.append(InvalidQueryParameter(name=key, detail=f"Write {right}."))
        return found

    def check(self) -> None:
        """Raise one Problem that tells of every fault found so far."""
        if self.faults:
            raise every(self.faults)
