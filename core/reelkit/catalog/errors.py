"""What can go wrong with the database itself; each text is a sentence for people."""

from __future__ import annotations

__all__ = ["DatabaseBusy", "DatabaseError", "DatabaseUnavailable", "SchemaMismatch"]


class DatabaseError(Exception):
    """Any failure of the database that is no fault of the query."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached or refuses us."""


class DatabaseBusy(DatabaseError):
    """Every connection was taken for longer than a request should wait."""


class SchemaMismatch(DatabaseError):
    """The database was made by a newer reelkit, or has not been migrated yet."""
