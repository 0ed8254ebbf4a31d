"""How SQLite says it, with PostgreSQL's meaning.

What a column stores is what PostgreSQL prints in JSON wherever that sorts and compares right (UUIDs, timestamps): then
the value needs no work on its way out.  The rest is made the same here: booleans, decimals, bytes, JSON.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.engine import Dialect as SaDialect

from backstay.plan.conditions import SEARCHED
from backstay.sql.dialect import SqlDialect, defaults
from backstay.sql.explain import SQLITE
from backstay.sql.fts5 import relevance, search
from backstay.sql.parameters import SlotParameter
from backstay.sql.sqlite.alike import unlike
from backstay.sql.sqlite.cast import aggregate, cast
from backstay.sql.sqlite.computed import computed
from backstay.sql.sqlite.condition import compare, guard
from backstay.sql.sqlite.path import json_path, labels_of, ordered, sort_key
from backstay.sql.sqlite.rows import default, finite, key_out, listed, packed
from backstay.sql.sqlite.value import json_object, json_value, sealed


def sqlite(dialect: SaDialect) -> SqlDialect:
    """SQLite through SQLAlchemy's *dialect*."""
    return SqlDialect(
        name="sqlite",
        compiler=dialect,
        json_object=json_object,
        json_array=lambda value: sa.func.json_group_array(value),
        nested=lambda value: sa.func.json(value),
        body=lambda value: value,
        whole=None,
        bounded=None,
        stripped=None,
        csv=None,
        writes_inside=False,
        explain=SQLITE,
        json_texts=lambda values: sa.func.json_array(*values),
        json_value=json_value,
        computed=computed,
        geometries=frozenset(("geojson",)),
        geojson=json_value,
        sealed=sealed,
        path=json_path,
        unlike=unlike,
        volatile=None,
        sort_key=sort_key,
        # Groups and rows without a key come in the order of an enum, as on PostgreSQL.
        tie_key=lambda typed: ordered(typed) if labels_of(typed.type) else typed.expression,
        compare=compare,
        search=search,
        relevance=relevance,
        # Every search is one of FTS5.
        indexed=frozenset(SEARCHED),
        guard=guard,
        cast=cast,
        aggregate=aggregate,
        integer=lambda index, encode: SlotParameter.of(index, encode, sa.BigInteger()),
        listed=listed,
        pack=lambda rows, width: (packed([[stored for _, stored in row] for row in rows]),),
        pack_keys=lambda rows, width: (packed(rows),),
        key_out=key_out,
        stored=lambda column, value: value,
        stored_type=lambda column: sa.types.NULLTYPE,
        pick=lambda pair: finite(pair[1]),
        insert=sqlite_dialect.insert,
        try_lock=lambda number: None,
        now=lambda: sa.func.backstay_now(type_=sa.types.NULLTYPE),
        default=default,
        insert_nothing=lambda table: sqlite_dialect.insert(table).values(defaults(table, sa.null())),
    )
