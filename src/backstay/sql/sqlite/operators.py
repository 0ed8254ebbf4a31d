"""The operators that mean the same on SQLite and PostgreSQL, or that `rendered` makes mean it."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.sql import operators as op

EQUALS: Final = frozenset({op.eq, op.ne, op.is_distinct_from, op.is_not_distinct_from})
LISTS: Final = frozenset({op.in_op, op.not_in_op})
IS: Final = frozenset({op.is_, op.is_not})
ARITHMETIC: Final = {
    op.add: "+",
    op.sub: "-",
    op.mul: "*",
    op.truediv: "/",
    op.floordiv: "//",
    op.mod: "%",
}
#: Each LIKE: whether capitals count, what stands around the text, and whether it is negated.
LIKES: Final[dict[Any, tuple[bool, str, bool]]] = {
    op.like_op: (True, "{}", False),
    op.not_like_op: (True, "{}", True),
    op.ilike_op: (False, "{}", False),
    op.not_ilike_op: (False, "{}", True),
    op.startswith_op: (True, "{}%", False),
    op.not_startswith_op: (True, "{}%", True),
    op.endswith_op: (True, "%{}", False),
    op.not_endswith_op: (True, "%{}", True),
    op.contains_op: (True, "%{}%", False),
    op.not_contains_op: (True, "%{}%", True),
    op.istartswith_op: (False, "{}%", False),
    op.not_istartswith_op: (False, "{}%", True),
    op.iendswith_op: (False, "%{}", False),
    op.not_iendswith_op: (False, "%{}", True),
    op.icontains_op: (False, "%{}%", False),
    op.not_icontains_op: (False, "%{}%", True),
}
JSON_ITEMS: Final = frozenset({op.json_getitem_op, op.json_path_getitem_op})
BOOLEANS: Final = frozenset({op.and_, op.or_, op.inv, op.exists, op.is_true, op.is_false})
