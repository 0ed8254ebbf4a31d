"""The whole document: what one kind of principal may do, and nothing else (AC12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from backstay.catalog import Function, Search
from backstay.plan.call import may_call
from backstay.plan.scope import Scope
from backstay.policy import ANON
from backstay.response.openapi.about import About
from backstay.response.openapi.answer import ERROR, HEADERS, error_responses, error_schema, refused, success
from backstay.response.openapi.batch import batch_path, batch_schemas
from backstay.response.openapi.function import function_path, table_rows
from backstay.response.openapi.item import item_path, item_template
from backstay.response.openapi.name import Json
from backstay.response.openapi.operation import table_path
from backstay.response.openapi.parameter import (
    FILTER,
    SEARCHING,
    filter_schema,
    row_filters,
    search_schema,
    shared_parameters,
)
from backstay.response.openapi.table import Shown, show, table_schemas

_SECURITY: Final[Json] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of an account, or an API key. It outranks `apikey`.",
    },
    "apikey": {"type": "apiKey", "in": "header", "name": "apikey", "description": "An API key."},
}

_INTRODUCTION: Final = (
    "This document lists what its reader may do; it is another one for another reader.\n\n"
    "Rows are chosen by filters of the form `column=operator.value`, joined by “and”; `or` and `and` take whole "
    "expressions. A column whose name is a word of this grammar, or has other characters than letters, digits and "
    '`_`, is written in double quotes: `"order"=eq.1`. Related tables are read with `select`, and then filtered, '
    "sorted and paged under their name: `author.name=eq.Ann`, `comments.order=id.desc`, `comments.limit=3`.\n\n"
    "Every error has the same shape; its `code` says what happened."
)


def describe(scope: Scope, functions: Mapping[str, Function], about: About) -> Json:
    """The OpenAPI 3.1 document for the principals of *scope*.

    Pure, and in the order of the catalog: equal arguments give equal documents.
    """
    tables = [shown for table in scope.catalog.tables.values() if (shown := show(scope, table)) is not None]
    callable_ = [function for function in functions.values() if may_call(function, scope.who)]
    schemas: dict[str, Json] = {}
    parameters = shared_parameters(about)
    paths: dict[str, Json] = {"/": _root()}
    for shown in tables:
        schemas |= table_schemas(shown)
        parameters |= row_filters(shown.table.name, shown.fields)
        paths["/" + quote(shown.table.name, safe="")] = table_path(shown, about)
        if shown.has_items:
            paths[item_template(shown)] = item_path(shown, about)
    batches = bool(tables) and "batch" not in scope.catalog.tables
    if batches:
        schemas |= batch_schemas()
        paths["/batch"] = batch_path(about)
    for function in callable_:
        item, more = function_path(function, table_rows(function, tables), about)
        schemas |= more
        paths["/rpc/" + quote(function.name, safe="")] = item
    if any(isinstance(field, Search) for shown in tables for field in shown.fields):
        schemas[SEARCHING] = search_schema()
    schemas |= {FILTER: filter_schema(), ERROR: error_schema()}
    document: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": about.title,
            "version": about.version,
            "description": "\n\n".join(filter(None, (scope.catalog.description, _INTRODUCTION))),
        },
        "servers": [{"url": about.server}],
        "tags": _tags(tables, batches=batches, functions=bool(callable_)),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": parameters,
            "headers": HEADERS,
            "responses": error_responses(),
            "securitySchemes": _SECURITY,
        },
        "security": _security(scope.who),
    }
    return document


def _security(who: tuple[str, frozenset[str], bool]) -> list[dict[str, Any]]:
    """Either credential will do; an anonymous reader has shown none and needs none."""
    anonymous: list[dict[str, Any]] = [{}] if who[0] == ANON and not who[2] else []
    return [{"bearer": []}, {"apikey": []}, *anonymous]


def _root() -> Json:
    content = {"application/openapi+json": {"schema": {"type": "object"}}}
    return {
        "get": {
            "tags": ["description"],
            "operationId": "describe",
            "summary": "This document",
            "responses": {"200": success("OpenAPI 3.1.", (), content), **refused()},
        }
    }


def _tags(tables: list[Shown], *, batches: bool, functions: bool) -> list[Json]:
    """One for each table, under its name; the others are ours, unless a table is called so."""
    tags: dict[str, Json] = {}
    for shown in tables:
        description = shown.table.description
        tags[shown.table.name] = {"description": description} if description else {}
    tags.setdefault("description", {"description": "What there is."})
    if batches:
        tags.setdefault("batch", {"description": "Several requests at once."})
    if functions:
        tags.setdefault("rpc", {"description": "Functions."})
    return [{"name": name, **tag} for name, tag in tags.items()]
