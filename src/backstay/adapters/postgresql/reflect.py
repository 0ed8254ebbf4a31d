"""What a PostgreSQL database says about itself: one query over its catalogs → `Facts`.

1. Nothing is created, changed or locked.
2. Every type that SQLAlchemy does not know is opaque and keeps its name.
3. Unique *constraints* make a foreign key one-to-one, unique indexes do not: as in PostgREST.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from backstay.adapters.postgresql.database import PostgresDatabase
from backstay.catalog.facts import (
    ArgumentFacts,
    ColumnFacts,
    Facts,
    FunctionFacts,
    KeyFacts,
    Name,
    TableFacts,
    ViewKey,
    Writing,
)
from backstay.catalog.opaque import (
    Composite,
    Labelled,
    NativeArray,
    NativeBytes,
    NativeDate,
    NativeDateTime,
    NativeDouble,
    NativeInterval,
    NativeJSON,
    NativeJSONB,
    NativeNumeric,
    NativeReal,
    NativeTime,
    Opaque,
)
from backstay.db.statement import Statement
from backstay.errors import ConfigError

_SQL: Final = """
WITH RECURSIVE
relations AS (
  SELECT c.oid, n.nspname, c.relname, c.relkind, pg_relation_is_updatable(c.oid, true) AS bits
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND n.nspname = ANY($1::text[])
),
columns AS (
  SELECT a.attrelid, a.attnum, json_build_object(
    'name', a.attname, 'number', a.attnum, 'type', a.atttypid::int8, 'mod', a.atttypmod,
    'null', NOT (a.attnotnull OR t.typtype = 'd' AND t.typnotnull),
    'default', a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
    'computed', a.attgenerated <> '' OR a.attidentity = 'a', 'identity', a.attidentity = 'a',
    'comment', col_description(a.attrelid, a.attnum)) AS fact, a.atttypid
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  WHERE a.attrelid IN (SELECT oid FROM relations) AND a.attnum > 0 AND NOT a.attisdropped
),
functions AS (
  SELECT p.*, n.nspname, r.typtype AS rtype, CASE WHEN r.typtype = 'd' THEN b.typrelid ELSE r.typrelid END AS rrel,
    coalesce(p.proallargtypes, p.proargtypes::oid[]) AS types
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_type r ON r.oid = p.prorettype
  LEFT JOIN pg_type b ON b.oid = r.typbasetype
  WHERE p.prokind = 'f' AND n.nspname = ANY($1::text[]) AND p.proname = ANY($2::text[])
),
row_columns AS (
  SELECT f.oid, a.attnum, a.attname, a.atttypid, a.atttypmod
  FROM functions f JOIN pg_attribute a ON a.attrelid = f.rrel AND a.attnum > 0 AND NOT a.attisdropped
),
used(oid) AS (
  SELECT atttypid FROM (
    SELECT atttypid FROM columns UNION SELECT unnest(types) FROM functions UNION SELECT prorettype FROM functions
    UNION SELECT atttypid FROM row_columns
  ) AS seeds
  UNION
  SELECT link FROM used JOIN pg_type t ON t.oid = used.oid, LATERAL (
    SELECT unnest(ARRAY[t.typbasetype, t.typelem]) UNION ALL SELECT rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid
    UNION ALL SELECT rngtypid FROM pg_range r WHERE r.rngmultitypid = t.oid
    UNION ALL SELECT atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.oid = t.typrelid AND c.relkind = 'c' AND a.attnum > 0 AND NOT a.attisdropped) AS _(link)
  WHERE link <> 0
),
keys AS (
  SELECT k.oid, k.contype, k.conname, k.conrelid, k.confrelid, k.conkey, k.confkey,
    EXISTS (SELECT FROM pg_constraint u WHERE u.conrelid = k.conrelid AND u.contype IN ('p', 'u')
            AND u.conkey @> k.conkey AND u.conkey <@ k.conkey) AS unique
  FROM pg_constraint k
  WHERE k.contype IN ('p', 'f') AND k.conparentid = 0 AND k.connamespace <> 'pg_catalog'::regnamespace
),
bases AS (SELECT conrelid AS oid FROM keys UNION SELECT confrelid FROM keys WHERE contype = 'f')
SELECT json_build_object(
  'tables', (SELECT json_agg(json_build_object(
      'oid', r.oid::int8, 'schema', r.nspname, 'name', r.relname, 'kind', r.relkind, 'bits', r.bits,
      'comment', obj_description(r.oid, 'pg_class'),
      'columns', (SELECT json_agg(fact ORDER BY attnum) FROM columns c WHERE c.attrelid = r.oid),
      'uniques', (SELECT json_agg(json_build_array(u.conname, u.conkey)) FROM pg_constraint u
                  WHERE u.conrelid = r.oid AND u.contype = 'u'))) FROM relations r),
  'types', (SELECT json_object_agg(t.oid, json_build_object(
      'name', t.typname, 'schema', n.nspname, 'sql', format_type(t.oid, NULL), 'kind', t.typtype,
      'base', t.typbasetype::int8, 'mod', t.typtypmod,
      'item', CASE WHEN t.typcategory = 'A' THEN t.typelem::int8 ELSE 0 END,
      'rows', (SELECT json_build_array(m.nspname, c.relname) FROM pg_class c
               JOIN pg_namespace m ON m.oid = c.relnamespace WHERE c.oid = t.typrelid AND c.relkind <> 'c'),
      'parts', (SELECT json_agg(part::int8) FROM (
          SELECT t.typelem AS part UNION SELECT rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid
          UNION SELECT rngtypid FROM pg_range r WHERE r.rngmultitypid = t.oid
          UNION SELECT t.typbasetype UNION SELECT atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
          WHERE c.oid = t.typrelid AND c.relkind = 'c' AND a.attnum > 0 AND NOT a.attisdropped) AS p WHERE part <> 0),
      'labels', (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)))
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid IN (SELECT oid FROM used)),
  'keys', (SELECT json_agg(json_build_object(
      'kind', contype, 'name', conname, 'table', conrelid::int8, 'referred', confrelid::int8, 'columns', conkey,
      'others', confkey, 'unique', "unique") ORDER BY conrelid, conname) FROM keys),
  'bases', (SELECT json_object_agg(b.oid, json_build_array(n.nspname, c.relname, (
      SELECT json_object_agg(attnum, attname) FROM pg_attribute a WHERE a.attrelid = b.oid AND a.attnum > 0)))
      FROM bases b JOIN pg_class c ON c.oid = b.oid JOIN pg_namespace n ON n.oid = c.relnamespace),
  'views', (SELECT json_object_agg(v.oid, w.ev_action::text) FROM pg_class v JOIN pg_rewrite w ON w.ev_class = v.oid
      WHERE v.relkind IN ('v', 'm') AND w.rulename = '_RETURN'
      AND v.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)),
  'functions', (SELECT json_agg(json_build_object(
      'schema', f.nspname, 'name', f.proname, 'types', f.types, 'names', f.proargnames, 'modes', f.proargmodes::text[],
      'defaults', f.pronargdefaults, 'inputs', f.pronargs, 'returns', f.prorettype::int8, 'kind', f.rtype,
      'void', f.prorettype = 'void'::regtype, 'set', f.proretset, 'volatile', f.provolatile = 'v',
      'comment', obj_description(f.oid, 'pg_proc'),
      'table', (SELECT json_build_array(n.nspname, c.relname) FROM pg_class c
                JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = f.rrel AND c.relkind <> 'c'),
      'columns', (SELECT json_agg(json_build_array(attname, atttypid::int8, atttypmod) ORDER BY attnum)
                  FROM row_columns r WHERE r.oid = f.oid)) ORDER BY f.oid) FROM functions f),
  'zones', (SELECT json_agg(name) FROM pg_timezone_names),
  'schemas', (SELECT json_agg(nspname) FROM pg_namespace WHERE nspname = ANY($1::text[]))
)::text
"""

_KNOWN: Final[Mapping[str, sa.types.TypeEngine[Any]]] = {
    "bool": sa.Boolean(),
    "int2": sa.SmallInteger(),
    "int4": sa.Integer(),
    "int8": sa.BigInteger(),
    "float4": NativeReal(),
    "float8": NativeDouble(),
    "numeric": NativeNumeric(),
    "text": sa.Text(),
    "uuid": sa.Uuid(),
    "date": NativeDate(),
    "time": NativeTime(),
    "timestamp": NativeDateTime(),
    "timestamptz": NativeDateTime(timezone=True),
    "interval": NativeInterval(),
    "json": NativeJSON(),
    "jsonb": NativeJSONB(),
    "bytea": NativeBytes(),
    "tsvector": pg.TSVECTOR(),
    "int4range": pg.INT4RANGE(),
    "int8range": pg.INT8RANGE(),
    "numrange": pg.NUMRANGE(),
    "daterange": pg.DATERANGE(),
    "tsrange": pg.TSRANGE(),
    "tstzrange": pg.TSTZRANGE(),
}
#: Types whose plain name cuts or pads a value that is cast to it: their unbounded sisters do not.
_UNBOUNDED: Final[Mapping[str, str]] = {"bpchar": "bpchar", "bit": "bit varying", "varbit": "bit varying"}

#: The bits of ``pg_relation_is_updatable``: one for each of PostgreSQL's commands.
_BITS: Final[Mapping[Writing, int]] = {"create": 8, "update": 4, "delete": 16}


async def reflect_postgresql(
    database: PostgresDatabase, schemas: Sequence[str], functions: Sequence[str] = ()
) -> Facts:
    """Describe the tables and views of *schemas*, and those of their *functions* that are named.

    Raises:
        ConfigError: BST-E104, when the database has no such schema; BST-E106, when it has no such function.
        DatabaseError: PGRST000, the server cannot be reached.
    """
    row = await database.fetch(Statement(_SQL, (list(schemas), list(functions))))
    found = json.loads(row[0])
    missing = [schema for schema in schemas if schema not in (found["schemas"] or [])]
    if missing:
        raise ConfigError("BST-E104", f"The database has no schema {missing[0]!r}", hint="Name one with --schema.")
    known = {function["name"] for function in found["functions"] or []}
    for name in functions:
        if name not in known:
            raise ConfigError(
                "BST-E106", f"The database has no function {name!r}", hint=f"Looked in {', '.join(schemas)}."
            )
    return facts_of(found)


def facts_of(found: Mapping[str, Any]) -> Facts:
    """`Facts` from the query's answer."""
    tables = found["tables"] or []
    names = {str(oid): (Name(base[0], base[1]), base[2] or {}) for oid, base in (found["bases"] or {}).items()}
    names |= {
        str(t["oid"]): (Name(t["schema"], t["name"]), {str(c["number"]): c["name"] for c in t["columns"] or []})
        for t in tables
    }
    keys = found["keys"] or []
    primary = {
        str(k["table"]): tuple(names[str(k["table"])][1][str(c)] for c in k["columns"])
        for k in keys
        if k["kind"] == "p"
    }
    types = found["types"] or {}
    return Facts(
        tables=tuple(_table(t, types, primary.get(str(t["oid"]), ())) for t in tables),
        keys=tuple(_key(k, names) for k in keys if k["kind"] == "f"),
        view_keys=tuple(_view_keys(keys, names, _origins(found["views"] or {}))),
        timezones=frozenset(found["zones"] or ()),
        functions=tuple(_function(f, types) for f in found["functions"] or []),
    )


def _table(found: Mapping[str, Any], types: Mapping[str, Any], primary_key: tuple[str, ...]) -> TableFacts:
    columns = found["columns"] or []
    numbered = {c["number"]: c["name"] for c in columns}
    plain = found["kind"] in ("r", "p")
    return TableFacts(
        name=Name(found["schema"], found["name"]),
        columns=tuple(_column(c, types, is_view=not plain) for c in columns),
        primary_key=primary_key,
        uniques=tuple((name, tuple(numbered[c] for c in numbers)) for name, numbers in found["uniques"] or []),
        writes=frozenset(w for w, bit in _BITS.items() if plain or found["bits"] & bit),
        is_view=found["kind"] in ("v", "m"),
        comment=found["comment"],
    )


def _column(found: Mapping[str, Any], types: Mapping[str, Any], *, is_view: bool) -> ColumnFacts:
    return ColumnFacts(
        name=found["name"],
        type=_type(str(found["type"]), found["mod"], types),
        nullable=found["null"],
        # A view's column may have the default of the table behind it.
        has_default=found["default"] or is_view,
        computed=found["computed"],
        identity=found["identity"],
        comment=found["comment"],
    )


def _type(oid: str, mod: int, types: Mapping[str, Any]) -> sa.types.TypeEngine[Any]:
    found = types[oid]
    name, builtin = found["name"], found["schema"] == "pg_catalog"
    if found["kind"] == "d":
        # A domain is read and compared as what it is made of; its constraints are the database's.
        return _type(str(found["base"]), found["mod"], types)
    if found["item"]:
        return NativeArray(_type(str(found["item"]), -1, types))
    if found["labels"]:
        return Labelled(found["sql"], found["labels"], name)
    if builtin and name == "varchar":
        return sa.String(mod - 4) if mod > 4 else sa.Text()
    if builtin and name in _KNOWN:
        return _KNOWN[name]
    if found["kind"] == "c":
        return Composite(found["sql"])
    return Opaque(_UNBOUNDED.get(name, found["sql"]) if builtin else found["sql"])


def _function(found: Mapping[str, Any], types: Mapping[str, Any]) -> FunctionFacts:
    count = len(found["types"])
    names, modes = found["names"] or [""] * count, found["modes"] or ["i"] * count
    listed = list(zip(names, map(str, found["types"]), modes, strict=True))
    inputs = [(name, oid, mode) for name, oid, mode in listed if mode in ("i", "b", "v")]
    made = [(name, oid) for name, oid, mode in listed if mode in ("o", "b", "t")]
    outputs = [ColumnFacts(name, _type(oid, -1, types)) for name, oid in made]
    required = len(inputs) - found["defaults"]
    if found["columns"]:
        outputs = [ColumnFacts(name, _type(str(oid), mod, types)) for name, oid, mod in found["columns"]]
    table = Name(*found["table"]) if found["table"] else None
    return FunctionFacts(
        name=Name(found["schema"], found["name"]),
        arguments=tuple(
            ArgumentFacts(name, _type(oid, -1, types), at < required, mode == "v", types[oid]["sql"])
            for at, (name, oid, mode) in enumerate(inputs)
        ),
        gives="void" if found["void"] else "rows" if outputs else "value",
        is_set=found["set"],
        table=table,
        within=_rows_within([oid for _, oid in made] or [str(found["returns"])], types) - {table},
        columns=tuple(outputs),
        may_write=found["volatile"],
        comment=found["comment"],
    )


def _rows_within(given: Sequence[str], types: Mapping[str, Any]) -> frozenset[Name]:
    """The tables and views of whose rows something stands inside of these types: in arrays, fields, ranges."""
    waiting, seen, rows = list(given), set[str](), set[Name]()
    while waiting:
        oid = waiting.pop()
        if oid in seen or oid not in types:
            continue
        seen.add(oid)
        if types[oid]["rows"]:
            rows.add(Name(*types[oid]["rows"]))
        waiting.extend(map(str, types[oid]["parts"] or ()))
    return frozenset(rows)


def _key(found: Mapping[str, Any], names: Mapping[str, Any]) -> KeyFacts:
    table, here = names[str(found["table"])]
    referred, there = names[str(found["referred"])]
    pairs = zip(found["columns"], found["others"], strict=True)
    return KeyFacts(
        found["name"], table, referred, tuple((here[str(a)], there[str(b)]) for a, b in pairs), found["unique"]
    )


# -- views -----------------------------------------------------------------------------------------------------------

# The rewritten query of a view is PostgreSQL's own notation of its parse tree: {NODE :field value …}, lists in (…), and
# a backslash before any special character in a name.
_TOKEN: Final = re.compile(r"\\.|\{|\}| :(resno|resorigtbl|resorigcol) (\d+)", re.DOTALL)

#: For each view, the (table, column) behind each of its columns.
Origins = Mapping[str, Mapping[int, tuple[str, int]]]


def target_list(tree: str) -> Mapping[int, tuple[str, int]]:
    """Where the columns of a view come from: number → (table, number), for those that are plain columns.

    >>> target_list("({QUERY :targetList ({TARGETENTRY :expr {VAR} :resno 1 :resname a :resorigtbl 9 :resorigcol 2})})")
    {1: ('9', 2)}
    """
    found: dict[int, tuple[str, int]] = {}
    depth = number = 0
    table = ""
    for token in _TOKEN.finditer(tree):
        text = token[0]
        if text == "{":
            depth += 1
        elif text == "}":
            depth -= 1
        elif depth == 2 and token[1] == "resno":
            number = int(token[2])
        elif depth == 2 and token[1] == "resorigtbl":
            table = token[2]
        elif depth == 2 and token[1] == "resorigcol" and table != "0":
            found[number] = (table, int(token[2]))
    return found


def _origins(views: Mapping[str, str]) -> Origins:
    return {oid: target_list(tree) for oid, tree in views.items()}


def _bases(view: str, number: int, origins: Origins, seen: frozenset[str] = frozenset()) -> Iterator[tuple[str, int]]:
    """The column itself and, through views of views, every one behind it."""
    origin = origins.get(view, {}).get(number)
    if origin is None or view in seen:
        return
    yield origin
    yield from _bases(*origin, origins, seen | {view})


def _view_keys(keys: Sequence[Mapping[str, Any]], names: Mapping[str, Any], origins: Origins) -> Iterator[ViewKey]:
    shown: dict[str, dict[tuple[str, int], list[int]]] = {}
    for view, columns in origins.items():
        if view in names:
            for number in sorted(columns):
                for base in _bases(view, number, origins):
                    shown.setdefault(view, {}).setdefault(base, []).append(number)
    for view, bases in shown.items():
        for key in keys:
            sides = [(key["kind"], key["table"], key["columns"])]
            if key["kind"] == "f":
                sides.append(("f_ref", key["referred"], key["others"]))
            for kind, table, numbers in sides:
                if all((str(table), number) in bases for number in numbers):
                    base, columns_of_base = names[str(table)]
                    name, own = names[view]
                    pairs = [(columns_of_base[str(n)], [own[str(v)] for v in bases[str(table), n]]) for n in numbers]
                    columns_shown = tuple((column, tuple(views)) for column, views in pairs)
                    yield ViewKey(name, base, key["name"], kind, columns_shown)
