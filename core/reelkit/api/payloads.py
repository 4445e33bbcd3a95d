"""JSON bodies in: an object is read field by field, so that every fault is told at once and by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from reelkit.problems import AttributeRequired, InvalidAttribute, InvalidPayload, Problem, every

__all__ = ["Null", "read_payload"]

T = TypeVar("T", bound=msgspec.Struct)


class NotAnArray(InvalidAttribute):
    """A single value where the contract wants several; the title is the contract's, and all that some clients show."""

    title = "This attribute must be an array."


class Null(InvalidAttribute):
    """null where the contract has no such value. A merge patch removes by it (RFC 7396), and these cannot be without one."""

    title = "This value should not be null."


_PATH = re.compile(r" - at `(?:key in )?\$([^`]*)`$")
_MISSING = re.compile(r"^Object missing required field `(\w+)`")


def read_payload(body: bytes, kind: type[T]) -> T:
    """Return the Struct that a JSON body holds; fields it does not know are ignored, as the official clients expect.

    The content type is not looked at: browsers send JSON as text/plain to spare themselves a preflight. null is as good as
    absent where that leaves a default; in a change it would say that something was done which was not, so it is a fault.
    Raises InvalidPayload, or AttributeRequired and InvalidAttribute with all faults of the fields.
    """
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidPayload(detail=f"The body is not JSON: {error}." if body else "The body is empty.") from None
    if not isinstance(given, dict):
        raise InvalidPayload(detail="The body must be a JSON object.")
    found: dict[str, Any] = {}
    faults: list[Problem] = []
    for field in msgspec.structs.fields(kind):
        name = field.encode_name
        if given.get(name) is None and (name not in given or not _may_be(type(None), field.type)):
            if field.required:
                faults.append(AttributeRequired(name=name))
            elif name in given and _may_be(msgspec.UnsetType, field.type):
                faults.append(Null(name=name))
            continue
        fault = _control_character(given[name], name)
        if fault is not None:
            faults.append(fault)
            continue
        try:
            found[field.name] = msgspec.convert(given[name], field.type)
        except msgspec.ValidationError as error:
            faults.append(_invalid(name, str(error), field.type))
    if faults:
        raise every(faults)
    return kind(**found)


def _may_be(value: type, kind: Any) -> bool:
    return kind is value or value in get_args(kind)


def _invalid(name: str, message: str, kind: Any) -> Problem:
    """Turn "Expected `str`, got `int` - at `$[0].key`" into a Problem named `tags[0][key]`."""
    path = _PATH.search(message)
    name += re.sub(r"\.(\w+)", r"[\1]", path[1]) if path else ""
    if missing := _MISSING.match(message):
        return AttributeRequired(name=f"{name}[{missing[1]}]")
    if message.startswith("Invalid enum value"):
        return InvalidAttribute(name=name, detail=f"This must be one of {', '.join(_words(kind))}.")
    problem = NotAnArray if message.startswith("Expected `array") else InvalidAttribute
    return problem(name=name, detail=_PATH.sub("", message) + ".")


def _words(kind: Any) -> Iterator[str]:
    """Yield the words that a field of a few may hold."""
    for part in get_args(kind):
        if get_origin(kind) is Literal:
            yield part
        else:
            yield from _words(part)


def _control_character(value: Any, name: str) -> Problem | None:
    """Find a NUL, which PostgreSQL cannot store and nobody means. Not by recursion: lists may be 900 deep."""
    left = [(value, name)]
    while left:
        value, path = left.pop()
        if isinstance(value, str):
            if "\0" in value:
                return InvalidAttribute(name=path, detail="The character U+0000 is not allowed.")
        elif isinstance(value, list):
            left += [(item, f"{path}[{number}]") for number, item in enumerate(value)][::-1]
        elif isinstance(value, dict):
            left += [(item, f"{path}[{key}]") for key, item in value.items()][::-1]
    return None
