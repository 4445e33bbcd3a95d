"""What can go wrong with the database itself; each text is a sentence for people."""

from __future__ import annotations

__all__ = ["DatabaseBusy", "DatabaseError", "DatabaseFull", "DatabaseUnavailable", "SchemaMismatch"]


class DatabaseError(Exception):
    """Any failure of the database that is no fault of the query."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached or refuses us."""


class DatabaseFull(DatabaseUnavailable):
    """The disk of the database has no room left; nothing of what was to be written is kept."""


class DatabaseBusy(DatabaseError):
    """Every connection was taken for longer than a request should wait."""


class SchemaMismatch(DatabaseError):
    """The database was made by a newer reelkit, or has not been migrated yet."""
