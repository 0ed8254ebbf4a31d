"""The OpenAPI 3.1 document of the accounts API, made of the router's own rows: what is not a row is not described.

It is the same for every app and for every reader, and says nothing that Backstay's documentation does not; so anybody
may have it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final, TypeAlias

import msgspec

from backstay.auth.accounts import Accounts
from backstay.auth.refusal import AUTH_STATUS
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.response.reply import Reply

Json: TypeAlias = dict[str, Any]

_REF: Final = "#/components/schemas/"
#: What a caller has to show, by `Route.who`.
_SECURITY: Final[dict[str, list[dict[str, list[str]]]]] = {
    "anyone": [],
    "user": [{"bearer": []}],
    "admin": [{"bearer": []}, {"apikey": []}],
}
_SCHEMES: Final[Json] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a session, or an API key. It outranks `apikey`.",
    },
    "apikey": {"type": "apiKey", "in": "header", "name": "apikey", "description": "An API key."},
}
#: Statuses of refusals.
_REFUSED: Final = tuple(sorted({*AUTH_STATUS.values(), 503}))
#: Numbers in the query string; everything else there is text.
_COUNTS: Final = frozenset({"page", "per_page", "limit"})


def describe(routes: Sequence[Route], issuer: str) -> Json:
    """The document for *routes*, which are reached under *issuer*."""
    bodies = list(dict.fromkeys(route.body for route in routes if route.body is not None))
    refs, schemas = msgspec.json.schema_components(bodies, ref_template=_REF + "{name}")
    names = {body: str(ref["$ref"]) for body, ref in zip(bodies, refs, strict=True)}
    paths: dict[str, Json] = {}
    for route in routes:
        item = paths.setdefault(f"/{route.path}", {})
        item[route.method.lower()] = _operation(route, names)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Accounts",
            "version": version("backstay"),
            "description": "Accounts, speaking GoTrue's protocol. Every refusal has a `code` and a `message`.",
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": issuer}],
        "paths": paths,
        "components": {
            "schemas": {name: _described(schema) for name, schema in schemas.items()} | {"Refusal": _refusal()},
            "securitySchemes": _SCHEMES,
        },
    }


def _operation(route: Route, names: dict[type[msgspec.Struct], str]) -> Json:
    found: Json = {
        "operationId": f"{route.method.lower()}_{re.sub(r'[^a-z0-9]+', '_', route.path.lower()).strip('_')}",
        "summary": route.summary,
        "tags": [_tag(route)],
        "security": _SECURITY[route.who],
        "responses": _responses(route),
    }
    if route.permission:
        found["description"] = f"For the service role, and for accounts with `{route.permission}` and a second factor."
    parameters = [_in_path(name) for name in re.findall(r"\{(\w+)\}", route.path)]
    parameters += [_in_query(name) for name in route.query]
    if parameters:
        found["parameters"] = parameters
    if route.body is not None:
        schema = {"$ref": names[route.body]}
        found["requestBody"] = {"required": False, "content": {"application/json": {"schema": schema}}}
    return found


def _responses(route: Route) -> Json:
    answer: Json = {"description": "Done."}
    if route.status not in (204, 303):
        answer["content"] = {"application/json": {"schema": {"type": ["object", "array"]}}}
    if route.status == 303:
        answer["headers"] = {"Location": {"schema": {"type": "string"}}}
    refused = {"description": "Refused.", "content": {"application/json": {"schema": {"$ref": _REF + "Refusal"}}}}
    return {str(route.status): answer} | {str(status): refused for status in _REFUSED}


def _in_path(name: str) -> Json:
    schema = {"type": "string", "format": "uuid"} if name == "id" or name.endswith("_id") else {"type": "string"}
    return {"name": name, "in": "path", "required": True, "schema": {**schema, "minLength": 1}}


def _in_query(name: str) -> Json:
    return {"name": name, "in": "query", "schema": {"type": "integer", "minimum": 1} if name in _COUNTS else _TEXT}


_TEXT: Final[Json] = {"type": "string"}


def _tag(route: Route) -> str:
    return {"anyone": "open", "user": "account", "admin": "administration"}[route.who]


def _refusal() -> Json:
    return {
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": {"type": "string", "enum": sorted(AUTH_STATUS)},
            "message": {"type": "string"},
            "weak_password": {
                "type": "object",
                "properties": {"reasons": {"type": "array", "items": {"enum": ["length", "characters", "pwned"]}}},
            },
        },
    }


def _described(schema: Json) -> Json:
    """As it is, but for the names of our own classes' markup."""
    text = schema.get("description")
    return schema if text is None else {**schema, "description": str(text).replace("``", "`")}


def described(routes: tuple[Route, ...]) -> Route:
    """The route that shows *routes*, and itself."""

    async def show(asked: AuthRequest, accounts: Accounts) -> Reply:
        """This description."""
        return json_reply(describe((*routes, route), accounts.options.issuer))

    route = Route("GET", "openapi.json", "anyone", show, "This description")
    return route
