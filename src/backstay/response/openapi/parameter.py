"""Parameters: the query grammar, said once, and a filter for each column that a principal may read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from backstay.catalog import Column, Computed, Search
from backstay.request.filters import IS_VALUES, QUANTIFIABLE, SEARCH, SIMPLE
from backstay.request.name import render_name
from backstay.response.openapi.about import About
from backstay.response.openapi.name import Json, component, reference
from backstay.response.openapi.preference import preferences

#: The schema of every filter.
FILTER: Final = "rest.filter"

#: The schema of a filter on the field of full-text search.
SEARCHING: Final = "rest.search"

_TAGS: Final[Json] = {"type": "string", "pattern": r'^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$'}

#: Columns that are called like a parameter have no filter parameter of their own: ``"order"`` in quotes is another
#: name than ``order``, but generators of code make one identifier of the two, and drop the whole operation.
_TAKEN: Final = frozenset(("select", "order", "limit", "offset", "or", "and", "columns", "on_conflict", "cursor"))


def _words(words: frozenset[str]) -> str:
    return "|".join(sorted(words))


def filter_schema() -> Json:
    """One condition, as it stands behind ``column=``."""
    is_values = _words(IS_VALUES)
    return {
        "title": "Filter",
        "description": (
            "`operator.value`, or `not.operator.value`.\n\n"
            "- `eq` `neq` `gt` `gte` `lt` `lte` `isdistinct`: compare, as in `gte.18`\n"
            "- `like` `ilike`: a pattern in which `*` stands for any text; `match` `imatch`: a regular expression\n"
            '- `in`: one of a list, as in `in.(1,2,"a,b")`\n'
            f"- `is`: {', '.join(f'`{value}`' for value in sorted(IS_VALUES))}\n"
            "- `cs` `cd` `ov`: contains, is contained in, overlaps; for arrays, ranges and JSON\n"
            "- `sl` `sr` `nxl` `nxr` `adj`: where one range lies to another\n"
            "- `fts` `plfts` `phfts` `wfts`: full-text search, as in `wfts(english).quick fox`\n"
            "- with `(any)` or `(all)`, several values at once: `like(any).{a*,b*}`"
        ),
        "type": "string",
        "pattern": (
            rf"^(not\.)?(({_words(SIMPLE)})\.[\s\S]*|in\.\([\s\S]*\)|is\.({is_values})"
            rf"|({_words(SEARCH)})(\([\w $]+\))?\.[\s\S]*|({_words(QUANTIFIABLE)})\((any|all)\)\.\{{[\s\S]*\}})$"
        ),
        "examples": ["eq.1", "not.is.null", "in.(1,2)"],
    }


def search_schema() -> Json:
    """One condition on a field of full-text search."""
    return {
        "title": "Search",
        "description": (
            '- `wfts.fat "big rats" -dog`: as in a web search\n'
            "- `plfts.fat cats`: all these words\n"
            "- `phfts.fat cats`: these words, one behind the other\n"
            "- `fts.fat & (cat | rat:*)`: an expression\n\n"
            "`not.` in front finds the other rows; a language may be named, as in `wfts(english).cats`."
        ),
        "type": "string",
        "pattern": rf"^(not\.)?({_words(SEARCH)})(\([\w $]+\))?\.[\s\S]*$",
        "examples": ["wfts.cats -dogs"],
    }


def row_filters(table: str, fields: Sequence[Column | Computed | Search]) -> dict[str, Json]:
    """The filter parameters of one table, by component name."""
    return {
        f"rowFilter.{component(table)}.{component(field.name)}": _filter(field)
        for field in fields
        if field.name not in _TAKEN
    }


def _filter(field: Column | Computed | Search) -> Json:
    found: Json = {"name": render_name(field.name), "in": "query"}
    if isinstance(field, Search):
        words = ", ".join(field.declared.columns)
        found["description"] = f"Full-text search in {words}. `order={field.name}.desc` puts the best answers first."
        return {**found, "schema": reference("schemas", SEARCHING)}
    if field.description:
        found["description"] = field.description
    return {**found, "schema": reference("schemas", FILTER)}


def _query(name: str, description: str, schema: Json | None = None, **more: object) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema or {"type": "string"}, **more}


def _header(name: str, description: str, schema: Json, **more: object) -> Json:
    return {"name": name, "in": "header", "description": description, "schema": schema, **more}


def shared_parameters(about: About) -> dict[str, Json]:
    """Parameters that do not depend on a table, by component name."""
    bound = f" An export as NDJSON has at most {about.max_export_rows} rows."
    bound += "" if about.max_rows is None else f" Any other answer has at most {about.max_rows} rows."
    tree = "Conditions in parentheses: `(age.gte.18,not.and(name.is.null,city.eq.Oslo))`"
    return {
        "select": _query(
            "select",
            "The columns to answer with, separated by commas: `id,title`, renamed `key:column`, of JSON `data->a->>b`, "
            "cast `column::text`, and related tables `author(name)`, `author!inner(name)`, `...author(name)`. "
            "Left out, it is `*`: every column that the caller may always read.",
        ),
        "order": _query(
            "order",
            "Columns to sort by, separated by commas: `created_at.desc.nullslast,id`, or `author(name).asc`.",
        ),
        "limit": _query("limit", f"The most rows to answer with.{bound}", {"type": "integer", "minimum": 0}),
        "offset": _query("offset", "How many rows to skip.", {"type": "integer", "minimum": 0}),
        "or": _query("or", f"{tree}, of which one must hold."),
        "and": _query("and", f"{tree}, which must all hold."),
        "on_conflict": _query(
            "on_conflict",
            "Unique columns, separated by commas, by which `resolution=` finds duplicates. "
            "Left out, it is the primary key.",
        ),
        "columns": _query(
            "columns",
            "The keys of the body to store, separated by commas; others are ignored, and a key that a row lacks is "
            "null (or its default, with `missing=default`).",
        ),
        "range": _header(
            "Range",
            "The first and last row to answer with, counted from 0: `0-19`, or `20-`.",
            {"type": "string", "pattern": "^[0-9]{1,9}-([0-9]{1,9})?$"},
        ),
        "rangeUnit": _header("Range-Unit", "What `Range` counts.", {"type": "string", "enum": ["items"]}),
        "cursor": _query(
            "cursor",
            "Where a page by key begins: follow the `Link` of the page before. Empty, it is the first page, as with "
            "`Prefer: page=keyset`. It belongs to its order and filters, and goes without `offset`.",
            {"type": "string", "pattern": "^[A-Za-z0-9_-]*$"},
            allowEmptyValue=True,
        ),
        "ifMatch": _header(
            "If-Match",
            "Only if the one row that is meant still has this `ETag`, else 412. `*`: only if there is one.",
            _TAGS,
        ),
        "ifNoneMatch": _header("If-None-Match", "While the one row has this `ETag`, the answer is 304.", _TAGS),
        "ifNew": _header("If-None-Match", "`*`: create a row or fail with 412.", {"type": "string", "enum": ["*"]}),
        "idempotencyKey": _header(
            "Idempotency-Key",
            "A text that the client makes up, such as a UUID. The same request with the same key is done once: within "
            "24 hours it gets the first answer again, with `Idempotency-Replayed: true`.",
            {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!#-\[\]-~]+$"},
        ),
        **preferences(zones=about.zones, ends=about.ends),
    }


def references(*names: str) -> list[Json]:
    return [reference("parameters", name) for name in names]
