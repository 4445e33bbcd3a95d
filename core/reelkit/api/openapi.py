"""The description of the API (OpenAPI 3.1): what Litestar tells of the handlers, and what their signatures do not tell."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from importlib.metadata import version
from typing import Any

import msgspec
import structlog
from litestar import Litestar, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler

from reelkit.api.openapi_facts import (
    ALSO_ANSWERS,
    BYTES,
    BYTES_OF,
    EMPTY,
    FORMS,
    HEADERS,
    JSON_BODIES,
    OPTIONAL_BODIES,
    QUERIES,
    TOLD,
)
from reelkit.problems import ProblemBody

__all__ = ["DESCRIPTION", "Description", "described", "description_routes"]

DESCRIPTION = "/openapi.json"

log = structlog.get_logger("reelkit.api.openapi")

Schema = dict[str, Any]

SECURITY = {
    "apiKey": {"type": "http", "scheme": "basic", "description": "The API key as the user name, without a password."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or an access token of POST /auth/api-key."},
    "uploadToken": {"type": "apiKey", "in": "query", "name": "token", "description": "A token of POST /upload-tokens."},
}
KEYS: list[dict[str, list[str]]] = [{"apiKey": []}, {"bearer": []}]
DONE = {"200": "Done.", "201": "Created.", "204": "Done; the answer has no body."}
REFUSALS = {
    202: "Accepted; it is done in the background.",
    400: "Something that was sent is wrong; `problems` tells each fault.",
    401: "The credential is missing, unknown or has expired.",
    403: "The credential does not allow this.",
    404: "There is no such thing in the project and environment of the credential.",
    409: "It exists already, or is not where the request takes it to be.",
    412: "The version of the protocol is missing or another.",
    413: "It is too large.",
    415: "The body is of another type than this takes.",
    423: "Another request goes on with it.",
    429: "Too many requests in this minute.",
    460: "The checksum is not that of the bytes.",
}
ALLOWANCE = {
    "X-RateLimit-Limit": "Requests a minute.",
    "X-RateLimit-Remaining": "Requests left in this minute.",
    "X-RateLimit-Retry-After": "Seconds until the next minute.",
}
OBJECTS = {
    "api": "Sessions and keys",
    "auth": "Authentication",
    "data": "Analytics",
    "watch": "Analytics",
    "upload": "Videos",
    "uploads": "Videos",
    "discarded": "Videos",
    "players": "Player themes",
    "healthz": "Operation",
    "readyz": "Operation",
    "metrics": "Operation",
}


class Description:
    """The description of an application, made when it is first asked for: most processes never are."""

    def __init__(self, build: Callable[[Sequence[ControllerRouterHandler]], Litestar]) -> None:
        self._build = build
        self.of_plugins: list[ControllerRouterHandler] = []
        """Handlers of plugins; what cannot be described of them is left out as a whole."""
        self._made: bytes | None = None
        self._lock = asyncio.Lock()

    async def json(self) -> bytes:
        """Return the document as JSON."""
        async with self._lock:
            if self._made is None:
                self._made = await asyncio.to_thread(self._make)
            return self._made

    def _make(self) -> bytes:
        try:
            return msgspec.json.encode(described(self._build(self.of_plugins)))
        except Exception as error:
            if not self.of_plugins:
                raise
            log.error("routes of plugins are left out of the description of the API", exc_info=error)
            return msgspec.json.encode(described(self._build(())))


def description_routes(
    handlers: Sequence[ControllerRouterHandler], application: type[Litestar], **options: Any
) -> tuple[Description, HTTPRouteHandler]:
    """Return the description of handlers, and the handler that serves it. options: of the application they are part of."""

    def build(more: Sequence[ControllerRouterHandler]) -> Litestar:
        config = OpenAPIConfig(
            title="reelkit", version=version("reelkit"), render_plugins=[JsonRenderPlugin()], use_handler_docstrings=True
        )
        return application(
            route_handlers=[*handlers, *map(deepcopy, more)], openapi_config=config, logging_config=None, **options
        )

    description = Description(build)

    @get(DESCRIPTION, include_in_schema=False, name="openapi")
    async def openapi() -> Response[bytes]:
        """Answer the description of the API."""
        return Response(await description.json(), media_type="application/json", headers={"Cache-Control": "no-cache"})

    return description, openapi


def described(app: Litestar) -> Schema:
    """Return the document of an application that has been given an OpenAPIConfig."""
    document: Schema = app.openapi_schema.to_schema()
    paths: dict[str, Schema] = {}
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or route.path_format not in document["paths"]:
            continue
        told = document["paths"][route.path_format]
        for method, operation in told.items():
            handler = route.route_handler_map[method.upper()][0]
            # Handlers of plugins ask for themselves, and say what they ask for.
            keyed = "principal" in inspect.signature(handler.fn).parameters or "needs" in handler.opt
            complete(operation, route.path_format, keyed)
        paths[camel(route.path_format)] = told
    document["paths"] = dict(sorted(paths.items()))
    components = document.setdefault("components", {})
    _, schemas = msgspec.json.schema_components(
        [*JSON_BODIES.values(), ProblemBody], ref_template="#/components/schemas/{name}"
    )
    components["schemas"] = dict(sorted({**schemas, **components.get("schemas", {})}.items()))
    components["securitySchemes"] = SECURITY
    components["headers"] = {name: {"description": text, "schema": {"type": "integer"}} for name, text in ALLOWANCE.items()}
    return document


def complete(operation: Schema, path: str, keyed: bool) -> None:
    """Add to an operation what only reelkit knows. keyed: the handler asks who calls."""
    name: str = operation["operationId"]
    operation["tags"] = [tag(path)]
    operation["summary"] = str(operation.get("description") or operation["summary"]).partition("\n")[0]
    operation.pop("deprecated", None)
    parameters = [
        {key: camel(value) if key == "name" else value for key, value in parameter.items() if key != "deprecated"}
        for parameter in operation.get("parameters", [])
    ]
    parameters += [query_parameter(key, schema) for key, schema in QUERIES.get(name, {}).items()]
    parameters += [
        {
            "name": key,
            "in": "header",
            "required": key == "Tus-Resumable",
            "description": text,
            "schema": {"type": "string", "const": text} if key == "Tus-Resumable" else {"type": "string"},
        }
        for key, text in HEADERS.get(name, {}).items()
    ]
    if parameters:
        operation["parameters"] = parameters
    body = request_body(name)
    if body is not None:
        operation["requestBody"] = body
    if name == "POST_upload":
        operation["security"] = [{"uploadToken": []}]
    elif path.startswith("/uploads/"):
        operation["security"] = [*KEYS, {"uploadToken": []}]
    else:
        operation["security"] = KEYS if keyed else []
    statuses = set(ALSO_ANSWERS.get(name, ()))
    statuses |= {401, 403, 429} if keyed else set()
    statuses |= {404} if "{" in path else set()
    statuses |= {400} if body is not None or parameters else set()
    answer(operation, statuses)


def answer(operation: Schema, statuses: set[int]) -> None:
    """Describe what an operation answers: Litestar's own word for errors is replaced by that of reelkit."""
    responses: dict[str, Schema] = {
        status: response for status, response in operation["responses"].items() if not status.startswith(("4", "5"))
    }
    for code, response in responses.items():
        response["description"] = DONE.get(code, response["description"])
    done = next(iter(responses.values()))
    if operation["operationId"] in EMPTY:
        done.pop("content", None)
    told = TOLD.get(operation["operationId"], {})
    headers: Schema = {name: {"description": text, "schema": {"type": "string"}} for name, text in told.items()}
    if operation["security"] and {"apiKey": []} in operation["security"]:
        headers |= {name: {"$ref": f"#/components/headers/{name}"} for name in ALLOWANCE}
    if headers:
        done["headers"] = headers
    for status in sorted(statuses):
        problem = {"application/json": {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
        content = done.get("content", {}) if status < 300 else problem
        responses[str(status)] = {"description": REFUSALS[status], "content": content}
    operation["responses"] = dict(sorted(responses.items()))


def request_body(name: str) -> Schema | None:
    """Return the body of an operation, if it takes one."""
    if name in JSON_BODIES:
        schema = {"$ref": f"#/components/schemas/{JSON_BODIES[name].__name__}"}
        return {"required": name not in OPTIONAL_BODIES, "content": {"application/json": {"schema": schema}}}
    if name in FORMS:
        form = {"type": "object", "properties": FORMS[name], "required": ["file"]}
        return {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    if name in BYTES_OF:
        return {"required": False, "content": {BYTES: {"schema": {"type": "string", "format": "binary"}}}}
    return None


def query_parameter(name: str, schema: Schema) -> Schema:
    """Return a parameter of a query string; objects are spelt `name[key]=value`."""
    spelling = {"style": "deepObject", "explode": True} if schema["type"] == "object" else {}
    return {"name": name, "in": "query", "required": False, "schema": schema, **spelling}


def tag(path: str) -> str:
    """Return the group that an operation stands in, after what it is about."""
    words = path.strip("/").split("/")
    if words[0] == "videos" and len(words) > 2 and words[2] in ("captions", "chapters"):
        return words[2].capitalize()
    return OBJECTS.get(words[0], words[0].replace("-", " ").capitalize())


def camel(text: str) -> str:
    """Return a name, or the names in a path, as the contract spells them: video_id → videoId."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), text)
