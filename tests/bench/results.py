"""What a measurement says: a row with its baseline, the table for people and `bench-results.json` for programs."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

__all__ = ["Row", "print_table", "save"]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. limit: the promise, as `≤ 1` or `≥ 0.7`, of `figure`; none where there is no promise."""

    topic: str
    name: str
    figure: float
    unit: str
    limit: str = ""
    beside: str = ""
    """The baseline, named, with its own figure."""

    @property
    def kept(self) -> bool | None:
        """Whether the promise holds; None without one."""
        if not self.limit:
            return None
        sign, bound = self.limit.split()
        return self.figure <= float(bound) if sign == "≤" else self.figure >= float(bound)


def print_table(rows: list[Row]) -> None:
    """Print the rows for people."""
    table = Table("topic", "what", "figure", "promise", "kept", "beside")
    for row in rows:
        kept = {True: "[green]yes", False: "[red]no", None: ""}[row.kept]
        table.add_row(row.topic, row.name, f"{row.figure:.3g} {row.unit}", row.limit, kept, row.beside)
    Console(width=160).print(table)


def save(rows: list[Row], path: Path) -> None:
    """Write the rows as JSON, with when and on what they were measured."""
    document = {
        "measuredAt": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rows": [{**msgspec.to_builtins(row), "kept": row.kept} for row in rows],
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
