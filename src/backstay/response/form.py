"""JSON as a database finished it → the same rows without nulls, or as CSV, where the database makes neither itself; and
its features as the collection of them.

Numbers go through as they are written: no digit is lost on the way.
"""

from __future__ import annotations

import json
from typing import Any

from backstay.sql.notation import field


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def strip_nulls(body: str) -> str:
    """*body* without the keys whose value is null, at every depth; nulls in arrays stay.

    >>> strip_nulls('[{"a":null,"b":[null,{"c":null}],"d":1.50}]')
    '[{"b":[null,{}],"d":1.50}]'
    """
    return _written(_read(body))


def csv_of(body: str) -> str:
    """What *body*, an array in JSON, lists as PostgREST's CSV: a line of all keys, no newline at the end.

    Values that are no objects have the column that PostgREST has for them.

    >>> csv_of('[{"id":1,"ok":true,"name":"a, b"},{"id":2,"name":""}]')
    'id,ok,name\\n1,t,"a, b"\\n2,,""'
    >>> csv_of('["a",null]')
    'pgrst_scalar\\na\\n'
    """
    rows = _read(body)
    if not all(isinstance(row, dict) for row in rows):
        rows = [{"pgrst_scalar": row} for row in rows]
    keys = dict.fromkeys(key for row in rows for key in row)
    lines = (",".join(_field(row.get(key)) for key in keys) for row in rows)
    return "\n".join((",".join(map(field, keys)), *lines)) + ("" if rows else "\n")


def feature_collection(features: str) -> str:
    """*features*, a JSON array, as the collection that GeoJSON has for them.

    >>> feature_collection("[]")
    '{"type" : "FeatureCollection", "features" : []}'
    """
    return f'{{"type" : "FeatureCollection", "features" : {features}}}'


def _read(body: str) -> Any:
    return json.loads(body, parse_int=_Number, parse_float=_Number, parse_constant=_Number)


def _written(value: Any, *, nulls: bool = False) -> str:
    match value:
        case _Number():
            return str(value)
        case dict():
            kept = ((key, item) for key, item in value.items() if nulls or item is not None)
            pairs = (f"{json.dumps(key, ensure_ascii=False)}:{_written(item, nulls=nulls)}" for key, item in kept)
            return "{" + ",".join(pairs) + "}"
        case list():
            return "[" + ",".join(_written(item, nulls=nulls) for item in value) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _field(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "t" if value else "f"
        case _Number():
            return str(value)
        case str():
            text = value
        case _:
            text = _written(value, nulls=True)
    return field(text)
