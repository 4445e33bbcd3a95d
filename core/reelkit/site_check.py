"""Checking settings against Structs: every fault at once, each with its place and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Any, get_args, get_origin

import msgspec
from msgspec.inspect import (
    BoolType,
    DictType,
    FloatType,
    IntType,
    ListType,
    LiteralType,
    SetType,
    StrType,
    Type,
    UnionType,
    VarTupleType,
    type_info,
)
from msgspec.structs import FieldInfo

from reelkit.site_file import Origins, SettingPath

__all__ = ["Faults", "check", "did_you_mean"]

_FAILED = object()


class Faults:
    """What is wrong with a site's settings so far."""

    def __init__(self, origins: Origins) -> None:
        self.origins = origins
        self._found: list[tuple[int, str]] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def in_order(self) -> list[str]:
        """Return a sentence a fault, in the order of the file's lines."""
        return [text for _, text in sorted(self._found)]

    def add_text(self, text: str, path: SettingPath = ()) -> None:
        """Add a whole sentence; path: the setting that it is about, if one."""
        self._found.append((self.origins.line(path), text))

    def add(self, path: SettingPath, what: str) -> None:
        """Add a fault of one setting; what: e.g. "must be a whole number"."""
        self.add_text(f'{self.origins.where(path)}: "{".".join(path)}" {what}', path)

    def unknown_section(self, name: str, value: Any, known: Collection[str]) -> None:
        """Add a section that does not exist, setting by setting when it is likely which one was meant."""
        close = closest(name, known)
        if not (close and isinstance(value, dict) and value):
            self.unknown((name,), known, kind="section")
            return
        for key in value:
            where, text = self.origins.where((name, key)), f'unknown setting "{name}.{key}"'
            self.add_text(f'{where}: {text}. Did you mean "{close}.{key}"?', (name, key))

    def unknown(self, path: SettingPath, known: Collection[str], kind: str = "setting") -> None:
        """Add a name that does not exist. known: the names that do, at the same level."""
        name, inside = ".".join(path), path[:-1]
        text = f'{self.origins.where(path)}: unknown {kind} "{name}".'
        if close := closest(path[-1], known):
            text += f' Did you mean "{".".join((*inside, close))}"?'
        elif known:
            text += f" Known here: {', '.join(sorted(known))}."
        else:
            text += f' "{".".join(inside)}" has no settings.'
        self.add_text(text, path)


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was most likely meant, whatever its case."""
    by_lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean "x"?`, or nothing when no known name is close."""
    close = closest(name, known)
    return f' Did you mean "{close}"?' if close else ""


def check(kind: Any, value: Any, path: SettingPath, faults: Faults) -> Any:
    """Return value as an instance of kind; add what is wrong to faults, in which case the result means nothing."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _check_struct(kind, value, path, faults)
    if get_origin(kind) is dict and get_args(kind)[0] is str:
        if not isinstance(value, dict):
            faults.add(path, "must be a table")
            return _FAILED
        inner = get_args(kind)[1]
        return {key: check(inner, each, (*path, key), faults) for key, each in value.items()}
    if kind is Any:
        return value
    return _check_leaf(kind, value, path, faults)


def _check_struct(kind: type[msgspec.Struct], value: Any, path: SettingPath, faults: Faults) -> Any:
    if not isinstance(value, dict):
        faults.add(path, f"must be a table, not {_kind_of(value)}")
        return _FAILED
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    before = len(faults)
    found: dict[str, Any] = {}
    for name, each in value.items():
        if (field := fields.get(name)) is None:
            faults.unknown((*path, name), fields)
        else:
            found[field.name] = check(field.type, each, (*path, name), faults)
    for name, field in fields.items():
        if field.required and name not in value:
            faults.add((*path, name), f"is missing; it is {_describe(type_info(field.type))}")
    if len(faults) > before:
        return _FAILED
    try:
        return kind(**found)
    except (TypeError, ValueError) as error:  # raised by a Struct's own __post_init__
        faults.add((*path, *_at_fault(kind, fields, found)), f"is wrong: {error}")
        return _FAILED


def _at_fault(kind: type[msgspec.Struct], fields: dict[str, FieldInfo], found: dict[str, Any]) -> SettingPath:
    """Return the name of the setting that a Struct refuses even when it is the only one, so that its line can be told."""
    for name, field in fields.items():
        if field.name in found:
            try:
                kind(**{field.name: found[field.name]})
            except ValueError:
                return (name,)
            except TypeError:
                continue  # it cannot be made without others
    return ()


def _check_leaf(kind: Any, value: Any, path: SettingPath, faults: Faults) -> Any:
    # Values are never repeated in messages: a setting of the wrong type may well be a password.
    info = type_info(kind)
    from_environment = path in faults.origins.variables
    if from_environment and isinstance(value, str) and _is_json(info):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            faults.add(path, f"must be {_describe(info)}, written as JSON")
            return _FAILED
    try:
        return msgspec.convert(value, kind, strict=not from_environment)
    except msgspec.ValidationError:
        not_this = "" if from_environment or _is_right_kind(info, value) else f", not {_kind_of(value)}"
        faults.add(path, f"must be {_describe(info)}{not_this}")
        return _FAILED


def _is_json(info: Type) -> bool:
    if isinstance(info, UnionType):
        return any(_is_json(each) for each in info.types)
    return isinstance(info, ListType | VarTupleType | SetType | DictType | msgspec.inspect.StructType)


def _is_right_kind(info: Type, value: Any) -> bool:
    right = {
        IntType: int,
        FloatType: (int, float),
        StrType: str,
        BoolType: bool,
        LiteralType: (str, int),
        ListType: list,
        VarTupleType: list,
        SetType: list,
    }
    for kind, types in right.items():
        if isinstance(info, kind):
            return isinstance(value, types) and (kind is BoolType or not isinstance(value, bool))
    return False


def _describe(info: Type) -> str:
    """Say what a value of a type looks like in site.toml."""
    if isinstance(info, IntType | FloatType):
        noun = "a whole number" if isinstance(info, IntType) else "a number"
        bounds = [
            f"{word} {bound:g}" if isinstance(bound, float) else f"{word} {bound}"
            for word, bound in (
                ("of at least", info.ge),
                ("greater than", info.gt),
                ("of at most", info.le),
                ("less than", info.lt),
            )
            if bound is not None
        ]
        return " ".join([noun, " and ".join(bounds)]).strip()
    if isinstance(info, LiteralType):
        return "one of " + ", ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in info.values)
    if isinstance(info, UnionType):
        return " or ".join(_describe(each) for each in info.types if not isinstance(each, msgspec.inspect.NoneType))
    if isinstance(info, ListType | VarTupleType | SetType):
        return f"a list of {_describe(info.item_type)}"
    if isinstance(info, StrType) and info.pattern:
        return f'"text in quotes" that matches {info.pattern}'
    names = {BoolType: "true or false", StrType: '"text in quotes"', DictType: "a table"}
    return names.get(type(info), f"a {type(info).__name__.removesuffix('Type').lower()}")


def _kind_of(value: Any) -> str:
    for kind, name in (
        (bool, "true or false"),
        (str, "text"),
        (int | float, "a number"),
        (list, "a list"),
        (dict, "a table"),
    ):
        if isinstance(value, kind):
            return name
    return f"a {type(value).__name__}"
