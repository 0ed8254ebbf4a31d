"""Functions: arguments and results as their signatures say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from backstay.catalog import Function, Parameter
from backstay.catalog.inheritance import whole_model
from backstay.response.openapi.about import About
from backstay.response.openapi.answer import refused, rows_content, success
from backstay.response.openapi.name import Json, component
from backstay.response.openapi.parameter import references, row_filters
from backstay.response.openapi.table import Shown

_SCHEMAS: Final = "#/components/schemas/"
#: A type that has no schema of its own.  Not empty, because msgspec takes an empty answer for none.
_ANYTHING: Final[Json] = {"description": "Any value."}

#: A type is described once for each way: an argument also takes a decimal as text.
Way: TypeAlias = Literal["argument", "result"]


def table_rows(function: Function, tables: Iterable[Shown]) -> Shown | None:
    """The table whose rows *function* returns, when the caller may read it."""
    if function.model is None:
        return None
    model = whole_model(function.model)
    return next((shown for shown in tables if shown.table.model is model and shown.read), None)


def function_path(function: Function, rows: Shown | None, about: About) -> tuple[Json, dict[str, Json]]:
    """The path item of one function, and the schemas that it refers to."""
    arguments, components = _schemas([p.type for p in function.parameters.values()], "argument")
    properties = {
        parameter.name: _with_default(schema, parameter)
        for parameter, schema in zip(function.parameters.values(), arguments, strict=True)
    }
    responses, more = _responses(function, rows, about)
    item: Json = {}
    if function.read_only:
        item["get"] = _operation(function, "get", rows, _query(function, properties)) | {"responses": responses}
    keys = references("idempotencyKey") if about.keeps_keys else []
    item["post"] = _operation(function, "call", rows, keys) | {
        "requestBody": _body(function, properties),
        "responses": responses,
    }
    return item, components | more


def _operation(function: Function, verb: str, rows: Shown | None, parameters: list[Json]) -> Json:
    text = function.description or ""
    summary, _, rest = text.partition("\n")
    found: Json = {"tags": ["rpc"], "operationId": f"{verb}_{component(function.name)}"}
    found |= {"summary": summary or f"Call {function.name}"}
    if rest.strip():
        found["description"] = rest.strip()
    names: list[str] = []
    if rows is not None:
        names.append("select")
        if function.result == "rows":
            taken = set(function.parameters) if verb == "get" else set()
            filters = row_filters(rows.table.name, rows.fields)
            names += [name for name, parameter in filters.items() if parameter["name"] not in taken]
            names += ["or", "and", "order", "limit", "offset"]
            names = [name for name in names if name not in taken]
    found["parameters"] = [*parameters, *references(*names, "preferCall")]
    return found


def _body(function: Function, properties: Json) -> Json:
    schema: Json = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [name for name, parameter in function.parameters.items() if parameter.required]
    if required:
        schema["required"] = required
    return {"required": bool(required), "content": {"application/json": {"schema": schema}}}


def _query(function: Function, properties: Json) -> list[Json]:
    """Arguments in a query string are text; an array is written ``{a,b}``."""
    found: list[Json] = []
    for name, parameter in function.parameters.items():
        schema = _single(properties[name])
        if schema.get("type") not in ("string", "integer", "number", "boolean"):
            schema = {"type": "string", "description": "As text; an array is written `{a,b}`."}
        found.append({"name": name, "in": "query", "required": parameter.required, "schema": schema})
    return found


def _single(schema: Json) -> Json:
    """*schema* without null, which a query string cannot say: there an argument is left out instead."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    return choices[0] if len(choices) == 1 else schema


def _with_default(schema: Json, parameter: Parameter) -> Json:
    if parameter.required:
        return schema
    try:
        return {**schema, "default": msgspec.to_builtins(parameter.default)}
    except (TypeError, ValueError):
        return schema


def _responses(function: Function, rows: Shown | None, about: About) -> tuple[Json, dict[str, Json]]:
    if function.result == "void":
        return {"204": success("Done."), **refused(404)}, {}
    headers = ("Content-Range", "Preference-Applied")
    if function.model is not None:
        row = rows.row if rows is not None else {"type": "object"}
        offered = about.offered - {"geojson"} if rows is None else rows.offers(about.offered)
        content = rows_content(offered, row, {"type": "array", "items": row})
        if function.result == "row":
            # One row, or null where there is none that the caller may read.
            content = {"application/json": {"schema": {"anyOf": [row, {"type": "null"}]}}}
        return {
            "200": success("What it returned, as far as the caller may read it.", headers, content),
            **refused(404),
        }, {}
    (schema,), components = _schemas([function.result_type], "result")
    content = {"application/json": {"schema": schema}}
    return {"200": success("What it returned.", headers, content), **refused(404)}, components


def _schemas(types: list[Any], way: Way) -> tuple[list[Json], dict[str, Json]]:
    """The schemas of *types*, in order, and the components that they refer to."""
    schemas: list[Json] = []
    components: dict[str, Json] = {}
    for type_ in types:
        schema, more = _schema(type_, way)
        schemas.append(schema)
        components |= more
    return schemas, components


def _schema(type_: Any, way: Way) -> tuple[Json, dict[str, Json]]:
    if type_ is Any:
        return {}, {}
    found: dict[str, Json] = {}

    def other(type_: Any) -> Json:
        """A type that msgspec does not know: a pydantic model says itself what it is."""
        pydantic = getattr(type_, "model_json_schema", None)
        if not callable(pydantic):
            return dict(_ANYTHING)
        mode = "validation" if way == "argument" else "serialization"
        schema: Json = pydantic(ref_template=_SCHEMAS + "{model}", mode=mode)
        found.update(schema.pop("$defs", {}))
        return schema

    try:
        (schema,), own = msgspec.json.schema_components([type_], schema_hook=other, ref_template=_SCHEMAS + "{name}")
    except (TypeError, ValueError):
        return dict(_ANYTHING), {}
    found.update(own)
    named = {name: f"{component(name)}.{way}" for name in found}
    adapt = _adapter(named, way)
    return adapt(schema), {named[name]: _without_defaults(adapt(inner)) for name, inner in found.items()}


def _without_defaults(schema: Json) -> Json:
    """Say the defaults of a component's properties in words: generators take the keyword for “always there”."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return schema
    return {**schema, "properties": {name: _in_words(inner) for name, inner in properties.items()}}


def _in_words(schema: Any) -> Any:
    if not isinstance(schema, dict) or "default" not in schema:
        return schema
    rest = {key: value for key, value in schema.items() if key != "default"}
    told = f"Left out, it is `{msgspec.json.encode(schema['default']).decode()}`."
    return {**rest, "description": "\n\n".join(filter(None, (schema.get("description"), told)))}


def _adapter(named: Mapping[str, str], way: Way) -> Callable[[Any], Any]:
    """Rename references, and say what becomes of decimals."""
    targets = {_SCHEMAS + old: _SCHEMAS + new for old, new in named.items()}

    def adapt(value: Any) -> Any:
        if isinstance(value, list):
            return [adapt(item) for item in value]
        if not isinstance(value, dict):
            return targets.get(value, value) if isinstance(value, str) else value
        if value.get("type") == "string" and value.get("format") == "decimal":
            rest = {key: item for key, item in value.items() if key not in ("type", "format")}
            return {"type": "number" if way == "result" else ["number", "string"], **rest}
        return {key: adapt(item) for key, item in value.items()}

    return adapt
