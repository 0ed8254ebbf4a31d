"""The operations of a table: one per verb that a rule opens."""

from __future__ import annotations

from backstay.request.name import render_name
from backstay.response.openapi.about import About
from backstay.response.openapi.answer import refused, rows_content, success
from backstay.response.openapi.name import Json, reference
from backstay.response.openapi.parameter import references, row_filters
from backstay.response.openapi.table import Shown


def table_path(shown: Shown, about: About) -> Json:
    """The path item of one table; empty where nothing of it can be asked for."""
    offered = shown.offers(about.offered)
    content = rows_content(offered, shown.row, shown.rows)
    filters = list(row_filters(shown.table.name, shown.fields))
    item: Json = {}
    if shown.read:
        item["get"] = _read(shown, filters, rows_content(offered | {"ndjson"}, shown.row, shown.rows))
    if shown.create:
        item["post"] = _create(shown, content, about)
    if shown.replaceable:
        item["put"] = _replace(shown, content, about)
    if shown.update:
        item["patch"] = _update(shown, filters, content, about)
    if shown.delete:
        item["delete"] = _delete(shown, filters, content, about)
    return item


def operation(shown: Shown, verb: str, summary: str, description: str, parameters: list[Json]) -> Json:
    """What every operation of a table says; its id depends on the verb and the name of the table alone."""
    return {
        "tags": [shown.table.name],
        "operationId": f"{verb}_{shown.name}",
        "summary": summary,
        "description": description,
        "parameters": parameters,
    }


def writing(found: Json, about: About, condition: tuple[str, ...] = ("ifMatch",)) -> Json:
    """The operation *found* with the headers that go with a write: a *condition*, and a key against doing it twice."""
    keys = ("idempotencyKey",) if about.keeps_keys else ()
    return {**found, "parameters": [*found["parameters"], *references(*condition, *keys)]}


def body_of(row: Json, *, many: bool = False) -> Json:
    """The ``requestBody`` of a write: one row, or *many*."""
    json = {"anyOf": [row, {"type": "array", "items": row}]} if many else row
    content: Json = {"application/json": {"schema": json}}
    if many:
        content["text/csv"] = {"schema": {"type": "string"}}
    return {"required": True, "content": content}


def _read(shown: Shown, filters: list[str], content: Json) -> Json:
    names = [*filters, "or", "and", "select", "order", "limit", "offset"]
    names += ["cursor"] if shown.keyed else []
    names += ["range", "rangeUnit", "ifNoneMatch", "preferRead"]
    headers = ("Content-Range", "Content-Location", "Link", "ETag", "Preference-Applied")
    return operation(
        shown,
        "read",
        f"Read {shown.table.name}",
        "Rows that match every filter, as far as the caller may see them. `HEAD` answers with the headers alone.",
        references(*names),
    ) | {
        "responses": {
            "200": success("All the rows that were asked for.", headers, content),
            "206": success("Counted, and there are more rows than these.", headers, content),
            "304": success("The one object still has this `ETag`.", ("ETag",)),
            **refused(406, 416),
        }
    }


def _create(shown: Shown, content: Json, about: About) -> Json:
    headers = ("Content-Range", "Location", "Preference-Applied")
    # Merging a duplicate changes the old row, which not everybody who may create one may do.
    merges = bool(shown.update)
    merged = success("With `merge-duplicates`: every row was there, and was updated.", headers, content)
    found = operation(
        shown,
        "create",
        f"Create {shown.table.name}",
        "Store one row, or all rows of an array or none of them.",
        references("select", "columns", "on_conflict", "preferUpsert" if merges else "preferCreate"),
    )
    return writing(found, about, ("ifNew",)) | {
        "requestBody": body_of(reference("schemas", f"{shown.name}.insert"), many=True),
        "responses": {
            **({"200": merged} if merges else {}),
            "201": success("Created. There is a body with `return=representation` only.", headers, content),
            **refused(403, 409, 412, 422),
        },
    }


def _replace(shown: Shown, content: Json, about: About) -> Json:
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
    headers = ("Content-Range", "ETag", "Preference-Applied")
    found = operation(
        shown,
        "replace",
        f"Replace one of {shown.table.name}",
        "Store the row under its key: a new one where there is none, else changing the one that is there.",
        [*key, *references("select", "columns", "preferReplace")],
    )
    return writing(found, about) | {
        "requestBody": body_of(reference("schemas", f"{shown.name}.insert")),
        "responses": {
            "200": success("The changed row, with `return=representation`.", headers, content),
            "201": success("The new row, with `return=representation`.", headers, content),
            "204": success("Done.", headers[1:]),
            **refused(403, 409, 412, 422),
        },
    }


def _update(shown: Shown, filters: list[str], content: Json, about: About) -> Json:
    found = operation(
        shown,
        "update",
        f"Update {shown.table.name}",
        "Change every row that matches every filter and that the caller may change.",
        references(*filters, "or", "and", "select", "columns", "preferUpdate"),
    )
    return writing(found, about) | {
        "requestBody": body_of(reference("schemas", f"{shown.name}.update")),
        "responses": _written("The rows as they are now, with `return=representation`.", content),
    }


def _delete(shown: Shown, filters: list[str], content: Json, about: About) -> Json:
    found = operation(
        shown,
        "delete",
        f"Delete {shown.table.name}",
        "Delete every row that matches every filter and that the caller may delete.",
        references(*filters, "or", "and", "select", "preferDelete"),
    )
    return writing(found, about) | {
        "responses": _written("The rows as they were, with `return=representation`.", content)
    }


def _written(represented: str, content: Json) -> Json:
    headers = ("Content-Range", "Preference-Applied")
    return {
        "200": success(represented, headers, content),
        "204": success("Done.", headers),
        **refused(403, 409, 412, 422),
    }
