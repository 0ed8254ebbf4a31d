"""One row under its key: ``/posts/{id}``, ``/order_lines/{order_id},{product_id}``."""

from __future__ import annotations

from urllib.parse import quote

from backstay.response.openapi.about import About
from backstay.response.openapi.answer import refused, success
from backstay.response.openapi.column import value_schema
from backstay.response.openapi.name import Json, component, reference
from backstay.response.openapi.operation import body_of, operation, writing
from backstay.response.openapi.parameter import references
from backstay.response.openapi.table import Shown

#: Types of a key that a path shows as they are; any other one is a text there.
_PLAIN = frozenset(("integer", "number", "string", "boolean"))


def item_template(shown: Shown) -> str:
    """The path of a row, with the parts of its key in braces."""
    parts = ",".join(f"{{{component(name)}}}" for name in shown.table.primary_key)
    return f"/{quote(shown.table.name, safe='')}/{parts}"


def item_path(shown: Shown, about: About) -> Json:
    """The path item of one row of a table."""
    found: Json = {"parameters": [_key(shown, name) for name in shown.table.primary_key]}
    content = {media: {"schema": shown.row} for media in ("application/json", "application/vnd.pgrst.object+json")}
    headers = ("ETag", "Preference-Applied")
    row = success("The row, with `return=representation`.", headers, content)
    done = success("Done.", headers[1:])
    name = shown.table.name
    found["get"] = operation(
        shown,
        "readOne",
        f"Read one of {name}",
        "The row, if the caller may see it.",
        references("select", "ifNoneMatch", "preferItem"),
    ) | {
        "responses": {
            "200": success("The row.", headers, content),
            "304": success("It still has this `ETag`.", headers[:1]),
            **refused(404),
        },
    }
    judged = "Filters behind the key are conditions: the row is changed only while it meets them."
    if shown.replaceable:
        text = "Store the row under its key: a new one where there is none, else changing the one that is there."
        found["put"] = writing(
            operation(shown, "replaceOne", f"Replace one of {name}", text, references("select", "preferReplace")), about
        ) | {
            "requestBody": body_of(reference("schemas", f"{shown.name}.insert")),
            "responses": {
                "200": row,
                "201": success("The new row, with `return=representation`.", headers, content),
                "204": done,
                **refused(403, 404, 409, 412),
            },
        }
    if shown.update:
        found["patch"] = writing(
            operation(shown, "updateOne", f"Update one of {name}", judged, references("select", "preferUpdate")), about
        ) | {
            "requestBody": body_of(reference("schemas", f"{shown.name}.update")),
            "responses": {"200": row, "204": done, **refused(403, 404, 409, 412)},
        }
    if shown.delete:
        found["delete"] = writing(
            operation(shown, "deleteOne", f"Delete one of {name}", judged, references("select", "preferDelete")), about
        ) | {"responses": {"200": row, "204": done, **refused(403, 404, 409, 412)}}
    return found


def _key(shown: Shown, name: str) -> Json:
    column = shown.table.columns[name]
    schema = value_schema(column.type)
    if schema.get("type") not in _PLAIN:
        schema = {"type": "string"}
    if schema["type"] == "string" and "format" not in schema and "enum" not in schema:
        schema = {**schema, "minLength": 1}
    found: Json = {"name": component(name), "in": "path", "required": True, "schema": schema}
    return {**found, "description": column.description} if column.description else found
