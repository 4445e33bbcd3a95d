"""The settings of a site as they are written: site.toml and environment variables, each with the place it came from."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["Origins", "SiteInvalid", "read_settings"]

PREFIX = "REELKIT_"
SettingPath = tuple[str, ...]


class SiteInvalid(Exception):
    """The site cannot be used as it is written. faults: one sentence each, for the operator."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class Origins(msgspec.Struct, frozen=True):
    """Where each setting was written. lines: path → line of the file, from 1; variables: path → environment variable."""

    file: str = "site.toml"
    lines: dict[SettingPath, int] = {}
    variables: dict[SettingPath, str] = {}
    stray: tuple[str, ...] = ()
    """Variables that start like a setting but have no double underscore."""

    def where(self, path: SettingPath) -> str:
        """Name the place of a setting, or of the table it is missing from."""
        for end in range(len(path), 0, -1):
            if (variable := self.variables.get(path[:end])) is not None:
                return f"environment variable {variable}"
            if (line := self.lines.get(path[:end])) is not None:
                return f"{self.file} line {line}"
        return self.file

    def line(self, path: SettingPath) -> int:
        """Return the line of a setting or of the table it is missing from; 0: not in the file."""
        if any(path[:end] in self.variables for end in range(1, len(path) + 1)):
            return 0
        return next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), 0)

    def almost(self, settings: Iterable[SettingPath]) -> Iterator[tuple[str, str]]:
        """Yield (variable, right variable) where somebody wrote `REELKIT_DATABASE_URL` for `REELKIT_DATABASE__URL`."""
        flat = {PREFIX + "_".join(path).upper(): PREFIX + "__".join(path).upper() for path in settings}
        for variable in self.stray:
            if (right := flat.get(variable.upper())) is not None:
                yield variable, right


def read_settings(file: Path, environ: Mapping[str, str]) -> tuple[dict[str, Any], Origins]:
    """Read site.toml and lay the environment over it; nothing is checked yet but the syntax. Raises SiteInvalid.

    A value from the environment stays text: what it means depends on the type of its setting.
    """
    try:
        # Some editors of Windows write a byte order mark, which is no TOML.
        text = file.read_text("utf-8-sig")
    except FileNotFoundError:
        raise SiteInvalid(
            [f"{file.parent} is not a site: it has no {file.name}. Make one with: reelkit site new {file.parent}"]
        ) from None
    except OSError as error:
        raise SiteInvalid([f"{file} cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SiteInvalid([f"{file.name} line {line}: this is not UTF-8 text. Save the file as UTF-8"]) from None
    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SiteInvalid([_syntax_fault(file.name, text, str(error))]) from None
    variables: dict[SettingPath, str] = {}
    stray: list[str] = []
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        path = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        if len(path) == 1:
            stray.append(variable)
            continue
        path = _lay_over(settings, path, environ[variable])
        variables[path] = variable
    return settings, Origins(file.name, dict(_lines(text)), variables, tuple(stray))


def _lay_over(settings: dict[str, Any], path: SettingPath, value: str) -> SettingPath:
    """Set one value from the environment; return its path, spelt as the file spells it."""
    table = settings
    spelt: list[str] = []
    for part in path[:-1]:
        # A variable's name can hold no dash, a plugin's can.
        name = next((key for key in table if key.lower().replace("-", "_") == part), part)
        spelt.append(name)
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            inner = table[name] = {}
        table = inner
    table[path[-1]] = value
    return (*spelt, path[-1])


def _syntax_fault(name: str, text: str, message: str) -> str:
    match = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    line = int(match[1]) if match and match[1] else max(1, text.count("\n"))
    what = message[: match.start()] if match else message
    return f"{name} line {line}: this is not TOML: {what[:1].lower()}{what[1:]}"


def _lines(text: str) -> Iterator[tuple[SettingPath, int]]:
    """Yield the line of every table and setting of a well-formed TOML text.

    tomllib keeps no positions. A statement ends at the first line with which it parses on its own, so it is asked line
    by line; the keys inside an inline value get the line of their statement.
    """
    lines = text.split("\n")
    table: SettingPath = ()
    start = 0
    while start < len(lines):
        statement, end = _statement(lines, start)
        if statement:
            is_header = lines[start].lstrip().startswith("[")
            found = list(_paths(statement))
            if is_header:
                table = max(found, key=len)
            # A header says nothing of the tables that it is inside of: they may have lines of their own.
            for path in [table] if is_header else [table + each for each in found]:
                yield path, start + 1
        start = end


def _statement(lines: list[str], start: int) -> tuple[dict[str, Any], int]:
    for end in range(start + 1, len(lines) + 1):
        try:
            return tomllib.loads("\n".join(lines[start:end])), end
        except tomllib.TOMLDecodeError:
            continue
    return {}, len(lines)


def _paths(value: Any, path: SettingPath = ()) -> Iterator[SettingPath]:
    if path:
        yield path
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
