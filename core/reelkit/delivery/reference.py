"""`/reference`: the operations of the API on one page for people, made of its OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from reelkit.delivery.assets import AssetFolder
from reelkit.delivery.embed import RUNTIME
from reelkit.delivery.pages import content_security_policy, new_nonce, template_environment
from reelkit.site import Site

__all__ = ["reference_page"]

Schema = dict[str, Any]


ORDER = (
    "Videos",
    "Captions",
    "Chapters",
    "Summaries",
    "Tags",
    "Upload tokens",
    "Player themes",
    "Watermarks",
    "Live streams",
    "Webhooks",
    "Analytics",
    "Authentication",
    "Sessions and keys",
)
"""Groups as people look for them; those of plugins, and what is for operators, come behind."""


class Field(msgspec.Struct, frozen=True):
    """A line of a table. kind: what it may be, in words, of which names of objects are some."""

    name: str
    where: str
    kind: str
    required: bool


class Operation(msgspec.Struct, frozen=True):
    """What one operation takes and answers. answers: status, description and the fields of a good answer."""

    id: str
    method: str
    path: str
    text: str
    open: bool
    takes: tuple[Field, ...]
    answers: tuple[tuple[str, str, tuple[Field, ...]], ...]


def reference_page(site: Site, document: Callable[[], Awaitable[bytes]]) -> HTTPRouteHandler:
    """Return the handler. document: answers the OpenAPI document as JSON."""
    templates = template_environment(site)
    style = AssetFolder("reelkit", RUNTIME).url("pages.css")

    @get("/reference", include_in_schema=False, name="reference")
    async def reference() -> Response[bytes]:
        """Answer the page."""
        described: Schema = msgspec.json.decode(await document())
        nonce = new_nonce()
        html = templates.get_template("reference/page.html").render(
            nonce=nonce,
            style=style,
            site_name=site.site.name,
            base_url=site.site.base_url,
            groups=groups_of(described),
            objects=objects_of(described),
        )
        return Response(html.encode(), media_type="text/html", headers=content_security_policy(nonce))

    return reference


def groups_of(document: Schema) -> dict[str, list[Operation]]:
    """Return the operations of a document by the group that they stand in."""
    groups: dict[str, list[Operation]] = {}
    # /discarded and /upload come behind what they are about.
    for path, methods in sorted(document["paths"].items(), key=lambda item: not item[0].startswith("/videos")):
        for method, told in methods.items():
            groups.setdefault(told["tags"][0], []).append(operation_of(document, path, method.upper(), told))
    return dict(sorted(groups.items(), key=lambda group: ORDER.index(group[0]) if group[0] in ORDER else len(ORDER)))


def objects_of(document: Schema) -> dict[str, list[Field]]:
    """Return the fields of every object that operations take or answer, by its name."""
    found = {name: fields_of(document, schema, "JSON") for name, schema in document["components"]["schemas"].items()}
    return {name: fields for name, fields in found.items() if fields}


def operation_of(document: Schema, path: str, method: str, told: Schema) -> Operation:
    """Return one operation."""
    takes = [
        Field(parameter["name"], parameter["in"], kind_of(parameter["schema"]), parameter.get("required", False))
        for parameter in told.get("parameters", [])
    ]
    for content, body in told.get("requestBody", {}).get("content", {}).items():
        found = fields_of(document, body["schema"], "JSON" if content == "application/json" else "form")
        takes += found or [Field("the body", content, kind_of(body["schema"]), False)]
    answers = []
    for status, response in told["responses"].items():
        schema = response.get("content", {}).get("application/json", {}).get("schema", {}) if status < "300" else {}
        answers.append((status, response["description"], tuple(fields_of(document, schema, "JSON"))))
    text = str(told.get("description") or told["summary"])
    return Operation(told["operationId"], method, path, text, not told["security"], tuple(takes), tuple(answers))


def fields_of(document: Schema, schema: Schema, where: str) -> list[Field]:
    """Return the fields of an object."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    required = schema.get("required", [])
    return [Field(name, where, kind_of(field), name in required) for name, field in schema.get("properties", {}).items()]


def kind_of(schema: Schema) -> str:
    """Return what a value may be, in words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(str(word) for word in schema["enum"])
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " or ".join(kind_of(choice) for choice in choices)
    if "default" in schema and schema["default"] not in (None, "", []):
        bare = {name: value for name, value in schema.items() if name != "default"}
        return f"{kind_of(bare)}, by default {msgspec.json.encode(schema['default']).decode()}"
    kinds = schema.get("type", "anything")
    if kinds == "array":
        return f"list of {kind_of(schema.get('items', {}))}"
    return " or ".join(kinds) if isinstance(kinds, list) else str(schema.get("format", kinds))
