"""The operations of a table: one per verb that a rule opens."""

from __future__ import annotations

from backstay.request.media import MediaKind
from backstay.request.name import render_name
from backstay.response.openapi.answer import refused, rows_content, success
from backstay.response.openapi.name import Json, reference
from backstay.response.openapi.parameter import references, row_filters
from backstay.response.openapi.table import Shown


def table_path(shown: Shown, offered: frozenset[MediaKind]) -> Json:
    """The path item of one table; empty where nothing of it can be asked for."""
    content = rows_content(offered, shown.row, shown.rows)
    filters = list(row_filters(shown.table.name, shown.columns(shown.read)))
    item: Json = {}
    if shown.read:
        item["get"] = _read(shown, filters, content)
    if shown.create:
        item["post"] = _create(shown, content)
    if shown.replaceable:
        item["put"] = _replace(shown, content)
    if shown.update:
        item["patch"] = _update(shown, filters, content)
    if shown.delete:
        item["delete"] = _delete(shown, filters, content)
    return item


def _operation(shown: Shown, verb: str, summary: str, description: str, parameters: list[Json]) -> Json:
    return {
        "tags": [shown.table.name],
        "operationId": f"{verb}_{shown.name}",
        "summary": summary,
        "description": description,
        "parameters": parameters,
    }


def _read(shown: Shown, filters: list[str], content: Json) -> Json:
    parameters = references(
        *filters, "or", "and", "select", "order", "limit", "offset", "range", "rangeUnit", "preferRead"
    )
    headers = ("Content-Range", "Content-Location", "Preference-Applied")
    return _operation(
        shown,
        "read",
        f"Read {shown.table.name}",
        "Rows that match every filter, as far as the caller may see them. `HEAD` answers with the headers alone.",
        parameters,
    ) | {
        "responses": {
            "200": success("All the rows that were asked for.", headers, content),
            "206": success("Counted, and there are more rows than these.", headers, content),
            **refused(),
        }
    }


def _create(shown: Shown, content: Json) -> Json:
    row = reference("schemas", f"{shown.name}.insert")
    headers = ("Content-Range", "Location", "Preference-Applied")
    # Merging a duplicate changes the old row, which not everybody who may create one may do.
    merges = bool(shown.update)
    merged = success("With `merge-duplicates`: every row was there, and was updated.", headers, content)
    return _operation(
        shown,
        "create",
        f"Create {shown.table.name}",
        "Store one row, or all rows of an array or none of them.",
        references("select", "columns", "on_conflict", "preferUpsert" if merges else "preferCreate"),
    ) | {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"anyOf": [row, {"type": "array", "items": row}]}},
                "text/csv": {"schema": {"type": "string"}},
            },
        },
        "responses": {
            **({"200": merged} if merges else {}),
            "201": success("Created. There is a body with `return=representation` only.", headers, content),
            **refused(),
        },
    }


def _replace(shown: Shown, content: Json) -> Json:
    key = [
        {
            "name": render_name(name),
            "in": "query",
            "required": True,
            "description": "The key of the row, the same as in the body.",
            "schema": {"type": "string", "pattern": r"^eq\."},
        }
        for name in shown.table.primary_key
    ]
    row = reference("schemas", f"{shown.name}.insert")
    headers = ("Content-Range", "Preference-Applied")
    return _operation(
        shown,
        "replace",
        f"Replace one of {shown.table.name}",
        "Store the row under its key: a new one where there is none, else changing the one that is there.",
        [*key, *references("select", "columns", "preferWrite")],
    ) | {
        "requestBody": {"required": True, "content": {"application/json": {"schema": row}}},
        "responses": {
            "200": success("The changed row, with `return=representation`.", headers, content),
            "201": success("The new row, with `return=representation`.", headers, content),
            "204": success("Done.", headers),
            **refused(),
        },
    }


def _update(shown: Shown, filters: list[str], content: Json) -> Json:
    schema = reference("schemas", f"{shown.name}.update")
    return _operation(
        shown,
        "update",
        f"Update {shown.table.name}",
        "Change every row that matches every filter and that the caller may change.",
        references(*filters, "or", "and", "select", "columns", "preferWrite"),
    ) | {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": _written("The rows as they are now, with `return=representation`.", "Done.", content),
    }


def _delete(shown: Shown, filters: list[str], content: Json) -> Json:
    return _operation(
        shown,
        "delete",
        f"Delete {shown.table.name}",
        "Delete every row that matches every filter and that the caller may delete.",
        references(*filters, "or", "and", "select", "preferWrite"),
    ) | {"responses": _written("The rows as they were, with `return=representation`.", "Done.", content)}


def _written(represented: str, done: str, content: Json) -> Json:
    headers = ("Content-Range", "Preference-Applied")
    return {"200": success(represented, headers, content), "204": success(done, headers), **refused()}
