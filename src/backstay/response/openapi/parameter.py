"""Parameters: the query grammar, said once, and a filter for each column that a principal may read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from backstay.catalog import Column
from backstay.request.filters import IS_VALUES, QUANTIFIABLE, SEARCH, SIMPLE
from backstay.request.name import render_name
from backstay.response.openapi.name import Json, component, reference

#: The schema of every filter.
FILTER: Final = "rest.filter"

#: Columns that are called like a parameter have no filter parameter of their own: ``"order"`` in quotes is another
#: name than ``order``, but generators of code make one identifier of the two, and drop the whole operation.
_TAKEN: Final = frozenset(("select", "order", "limit", "offset", "or", "and", "columns", "on_conflict"))


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


def row_filters(table: str, columns: Sequence[Column]) -> dict[str, Json]:
    """The filter parameters of one table, by component name."""
    return {
        f"rowFilter.{component(table)}.{component(column.name)}": {
            "name": render_name(column.name),
            "in": "query",
            **({"description": column.description} if column.description else {}),
            "schema": reference("schemas", FILTER),
        }
        for column in columns
        if column.name not in _TAKEN
    }


def _query(name: str, description: str, schema: Json | None = None, **more: object) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema or {"type": "string"}, **more}


def _header(name: str, description: str, schema: Json, **more: object) -> Json:
    return {"name": name, "in": "header", "description": description, "schema": schema, **more}


def _prefer(choices: dict[str, tuple[str, ...]], meaning: str) -> Json:
    known = "|".join(f"{name}=({'|'.join(values)})" for name, values in choices.items())
    known += "|max-affected=[0-9]{1,9}" if "return" in choices else ""
    listed = ", ".join(f"`{name}={value}`" for name, values in choices.items() for value in values)
    listed += ", `max-affected=N` (with `handling=strict`)" if "return" in choices else ""
    return _header(
        "Prefer",
        f"{meaning} (RFC 7240), separated by commas: {listed}.",
        {"type": "string", "pattern": f"^({known})(, ?({known}))*$"},
    )


_COUNT: Final = {"count": ("exact", "planned", "estimated")}
_HANDLING: Final = {"handling": ("lenient", "strict")}
_MISSING: Final = {"missing": ("default", "null")}
_RETURN: Final = {"return": ("minimal", "headers-only", "representation")}


def shared_parameters(max_rows: int | None) -> dict[str, Json]:
    """Parameters that do not depend on a table, by component name."""
    bound = "" if max_rows is None else f" An answer has at most {max_rows} rows."
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
        "preferRead": _prefer({**_COUNT, **_HANDLING}, "What the answer should have"),
        "preferCreate": _prefer(
            {**_RETURN, "resolution": ("ignore-duplicates",), **_MISSING, **_COUNT, **_HANDLING},
            "What to do and to answer with",
        ),
        "preferUpsert": _prefer(
            {
                **_RETURN,
                "resolution": ("merge-duplicates", "ignore-duplicates"),
                **_MISSING,
                **_COUNT,
                **_HANDLING,
            },
            "What to do and to answer with",
        ),
        "preferWrite": _prefer({**_RETURN, **_COUNT, **_HANDLING}, "What to do and to answer with"),
    }


def references(*names: str) -> list[Json]:
    return [reference("parameters", name) for name in names]
