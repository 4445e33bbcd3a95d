"""Bodies and answers are described as in the contract, field by field: types, words, what must be there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reelkit.testing.served import ServedSite

Schema = dict[str, Any]

CONTRACT: dict[str, Any] = json.loads(Path(__file__).with_name("schemas.json").read_text())
"""The contract's words of each operation: parameters with their words, bodies, answers; schemas are named `#name`."""

UNLIKE = {
    # The contract marks neither, and none of them means anything without.
    "POST-video body.metadata[]: ['key', 'value'] need not be given by the contract",
    "PATCH-video body.metadata[]: ['key', 'value'] need not be given by the contract",
    "POST-video body.watermark: ['id'] need not be given by the contract",
    "PATCH-discarded-video body: ['discarded'] need not be given by the contract",
}
"""Where a site asks for more than the letter of the contract."""


@pytest.fixture(scope="module")
def document(site: ServedSite) -> Schema:
    found: Schema = site.client.get("/openapi.json").json()
    return found


@pytest.fixture(scope="module")
def described(document: Schema) -> dict[str, Schema]:
    return {told["operationId"]: told for methods in document["paths"].values() for told in methods.values()}


class Ours:
    """One schema of the site's description, references and alternatives with null resolved."""

    def __init__(self, document: Schema, schema: Schema) -> None:
        self.document, self.null, self.types, self.words = document, False, set[str](), set[Any]()
        self.fields: dict[str, Schema] = {}
        self.required: set[str] = set()
        self.items: Schema | None = None
        self._read(schema)

    def _read(self, schema: Schema) -> None:
        if "$ref" in schema:
            self._read(self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
            return
        alternatives = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
        for one in alternatives:
            self._read(one)
        kinds = schema.get("type", [])
        self.types |= {kinds} if isinstance(kinds, str) else set(kinds)
        if "const" in schema:
            self.words.add(schema["const"])
        self.words |= set(schema.get("enum", ()))
        self.types |= {"string" for word in self.words if isinstance(word, str)}
        if "null" in self.types or None in self.words:
            self.null = True
        self.types.discard("null")
        self.words.discard(None)
        self.fields |= schema.get("properties", {})
        self.required |= set(schema.get("required", ()))
        self.items = schema.get("items", self.items)

    def below(self, schema: Schema) -> Ours:
        return Ours(self.document, schema)


def theirs(schema: Any) -> Schema:
    found: Schema = CONTRACT["schemas"][schema[1:]] if isinstance(schema, str) else schema
    return {"type": "object", **found} if "props" in found else found


def faults(where: str, contract: Any, ours: Ours, *, answered: bool) -> Iterator[str]:
    """Yield every difference that a client would meet. answered: it is what clients read, not what they send."""
    wanted = theirs(contract)
    kind = wanted.get("type")
    if kind is not None and ours.types and kind not in ours.types and not (kind == "number" and "integer" in ours.types):
        yield f"{where}: {kind} in the contract, {sorted(ours.types)} here"
        return
    words = set(wanted.get("enum", ()))
    if words and answered and ours.words - words:
        yield f"{where}: {sorted(ours.words - words)} are no words of the contract"
    if words and not answered and ours.words and words - ours.words:
        yield f"{where}: {sorted(words - ours.words)} are not taken"
    must = set(wanted.get("required", ()))
    if answered and must - ours.required:
        yield f"{where}: {sorted(must - ours.required)} must be there"
    if not answered and ours.required - must:
        yield f"{where}: {sorted(ours.required - must)} need not be given by the contract"
    for name, field in wanted.get("props", {}).items():
        if name not in ours.fields:
            yield f"{where}.{name}: missing"
        else:
            yield from faults(f"{where}.{name}", field, ours.below(ours.fields[name]), answered=answered)
    if "items" in wanted and ours.items is not None:
        yield from faults(f"{where}[]", wanted["items"], ours.below(ours.items), answered=answered)
    elif "items" in wanted:
        yield f"{where}[]: of anything here"


@pytest.mark.parametrize("name", CONTRACT["operations"])
def test_an_operation_is_described_as_in_the_contract(name: str, described: dict[str, Schema], document: Schema) -> None:
    told, contract = described[name], CONTRACT["operations"][name]
    found: list[str] = []
    parameters = {one["name"]: one["schema"] for one in told.get("parameters", ())}
    for parameter, schema in contract.get("parameters", {}).items():
        found += faults(f"?{parameter}", schema, Ours(document, parameters[parameter]), answered=False)
        for bound in ("minimum", "maximum"):
            if bound in schema and schema[bound] != parameters[parameter].get(bound):
                found.append(f"?{parameter}: {bound} {schema[bound]}, {parameters[parameter].get(bound)} here")
    if "takes" in contract:
        (content,) = told["requestBody"]["content"].values()
        found += faults("body", contract["takes"], Ours(document, content["schema"]), answered=False)
    for status, schema in contract.get("answers", {}).items():
        content = told["responses"][status]["content"]["application/json"]
        found += faults(status, schema, Ours(document, content["schema"]), answered=True)
    assert [fault for fault in found if f"{name} {fault}" not in UNLIKE] == []


def test_a_difference_is_found() -> None:
    contract: Schema = {
        "required": ["id"],
        "props": {"id": {"type": "string"}, "kind": {"type": "string", "enum": ["a"]}, "n": {"type": "array", "items": {}}},
    }
    same: Schema = {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "string"}, "kind": {"enum": ["a", None]}, "n": {"type": "array", "items": {}}},
    }
    assert list(faults("x", contract, Ours({}, same), answered=True)) == []
    for broken, found in (
        ({"required": []}, "x: ['id'] must be there"),
        (
            {"properties": {**same["properties"], "id": {"type": "integer"}}},
            "x.id: string in the contract, ['integer'] here",
        ),
        ({"properties": {**same["properties"], "kind": {"enum": ["b"]}}}, "x.kind: ['b'] are no words of the contract"),
        ({"properties": {**same["properties"], "n": {"type": "array"}}}, "x.n[]: of anything here"),
        ({"properties": {"id": {"type": "string"}, "n": same["properties"]["n"]}}, "x.kind: missing"),
    ):
        assert list(faults("x", contract, Ours({}, {**same, **broken}), answered=True)) == [found]
