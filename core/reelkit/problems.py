"""Every error that the API can answer, as types."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

__all__ = ["InvalidAttribute", "NotFound", "Problem", "ProblemBody"]


class ProblemBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The JSON of a Problem (RFC 9457 names, served as application/json)."""

    type: str
    title: str
    status: int
    name: str | None = None
    detail: str | None = None
    range: dict[str, int] | None = None
    problems: tuple[dict[str, Any], ...] = ()


class Problem(Exception):
    """Something the client can be told. name: the field, parameter or path id at fault; detail: one sentence for people."""

    slug: ClassVar[str] = "server-error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Server error"

    def __init__(
        self,
        *,
        name: str | None = None,
        detail: str | None = None,
        range: tuple[int, int] | None = None,
        problems: tuple[Problem, ...] = (),
    ) -> None:
        super().__init__(detail or self.title)
        self.name = name
        self.detail = detail
        self.range = range
        self.problems = problems

    @property
    def type(self) -> str:
        """The stable identifier that the official clients know."""
        return f"https://docs.api.video/reference/{self.slug}"

    def body(self) -> ProblemBody:
        """Return what is sent."""
        return ProblemBody(
            type=self.type,
            title=self.title,
            status=self.status,
            name=self.name,
            detail=self.detail,
            range=None if self.range is None else {"min": self.range[0], "max": self.range[1]},
            problems=tuple(msgspec.to_builtins(problem.body()) for problem in self.problems),
        )


class InvalidAttribute(Problem):
    """A field of the body has a value that it cannot have."""

    slug, status, title = "invalid-attribute", 400, "An attribute is invalid."


class NotFound(Problem):
    """No such object in this project and environment. name: the path parameter."""

    slug, status, title = "resource-not-found", 404, "The requested resource was not found."
