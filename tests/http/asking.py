"""Random requests over every position of the grammar, for the property tests.

A *shape* says what a table has; the generator takes a seeded ``Random``, so that Hypothesis can shrink its choices.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal
from urllib.parse import quote

Family = Literal["int", "text", "bool", "json", "array", "numeric", "date", "instant", "uuid", "enum", "float"]

#: Few values, so that requests meet rows.
WORDS = ["a", "b", "ab", "B", "", "ä", "x y", 'q"', "a,b", "%", "_", "*", "\\"]
VALUES: Mapping[Family, Sequence[str]] = {
    "int": ["0", "1", "2", "3", "4", "5", "6", "7", "-1", "99"],
    "text": WORDS,
    "bool": ["true", "false"],
    "json": ['{"a":1}', '{"a":2,"b":"x"}', "[1,2]", '"a"', "null", "1", "{}"],
    "array": ["{}", "{a}", "{a,b}", '{"x y"}', "{b}"],
    "numeric": ["0", "1", "1.5", "2.50", "-3", "10", "100.00"],
    "float": ["0", "1", "1.5", "-2.25", "1e3"],
    "date": ["2024-01-01", "2024-02-29", "1999-12-31"],
    "instant": ["2024-01-01T00:00:00Z", "2024-01-01T02:00:00.5+02:00", "2023-06-01 12:00:00Z"],
    "uuid": ["00000000-0000-0000-0000-000000000001", "0E37DF36-F698-11E6-8DD4-CB9CED3DF976"],
    "enum": ["tool", "toy", "book"],
}
#: What no type takes, and what the grammar does not take.
NONSENSE = ["x", "1.5.5", "(", "{", "}", "null", "'", "99999999999999999999", "2024-13-45", ""]
#: Keys only: PostgreSQL finds a scalar at index 0 of itself, which SQLite does not.
JSON_PATHS = ["->a", "->>a", "->b", "->a->>b"]
ORDERED: frozenset[Family] = frozenset(
    {"int", "text", "numeric", "float", "date", "instant", "uuid", "enum", "json", "array"}
)
CASTS: Mapping[Family, Sequence[str]] = {
    "int": ["text", "numeric", "int8"],
    "bool": ["text", "int4"],
    "date": ["text", "timestamp"],
    "instant": ["date"],
    "numeric": ["int8"],
    "text": ["text"],
    "enum": ["text"],
    "uuid": ["text"],
}


@dataclass(frozen=True)
class Shape:
    """A table: its columns, its key, and its embeds as they are written (name for filters, text in select, target)."""

    columns: Mapping[str, Family]
    key: tuple[str, ...] = ("id",)
    to_one: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    to_many: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def embeds(self) -> dict[str, tuple[str, str]]:
        return {**self.to_one, **self.to_many}


Shapes = Mapping[str, Shape]


@dataclass(frozen=True)
class Request:
    """One request, and whether it may change rows."""

    method: str
    path: str
    value: Any = None
    prefer: str | None = None
    accept: str | None = None
    range: str | None = None
    #: A POST that only reads.
    idle: bool = False

    @property
    def writes(self) -> bool:
        return self.method in ("POST", "PATCH", "DELETE") and not self.idle

    def named(self) -> dict[str, Any]:
        return {"prefer": self.prefer, "accept": self.accept, "range": self.range}


def read(r: Random, shapes: Shapes, *, nonsense: float = 0.02) -> Request:
    """A GET or HEAD with select, filters, logic, order, pages, count and singular."""
    return _Asking(r, shapes, nonsense).read()


def write(r: Random, shapes: Shapes, *, nonsense: float = 0.02, tables: Sequence[str] = ()) -> Request:
    """A POST, an upsert, a PATCH or a DELETE, of one of *tables* if they are named."""
    return _Asking(r, shapes, nonsense).write(r.choice(tables or list(shapes)))


def ordered(value: Any) -> Any:
    """*value* with its lists sorted: rows without an order of their own come as they like."""
    if isinstance(value, dict):
        return {key: ordered(item) for key, item in value.items()}
    return sorted((ordered(item) for item in value), key=repr) if isinstance(value, list) else value


class _Asking:
    def __init__(self, r: Random, shapes: Shapes, nonsense: float) -> None:
        self.r, self.shapes, self.nonsense = r, shapes, nonsense

    def chance(self, probability: float) -> bool:
        return self.r.random() < probability

    # -- whole requests ----------------------------------------------------------------------------------------------

    def read(self) -> Request:
        table = self.r.choice(list(self.shapes))
        pairs, embeds = self.select(table, 2)
        pairs = [("select", pairs)] if pairs else []
        pairs += self.filters(table, embeds, 3)
        paged = self.chance(0.4)
        if paged or self.chance(0.4):
            pairs.append(("order", self.order(table, embeds)))
        if paged and self.chance(0.7):
            pairs.append(("limit", str(self.r.randint(0, 3))))
        if paged and self.chance(0.5):
            pairs.append(("offset", str(self.r.randint(0, 3))))
        method = "HEAD" if self.chance(0.1) else "GET"
        return Request(
            method,
            _path(table, pairs),
            # What a planner expects is no two databases' common answer: test_counts.py asks for it.
            prefer=self.r.choice([None, "count=exact", "count=estimated"]),
            accept="application/vnd.pgrst.object+json" if self.chance(0.1) else None,
            range=f"{self.r.randint(0, 2)}-{self.r.randint(1, 4)}" if paged and self.chance(0.2) else None,
        )

    def write(self, table: str) -> Request:
        shape = self.shapes[table]
        method = self.r.choice(["POST", "POST", "PATCH", "DELETE"])
        pairs: list[tuple[str, str]] = []
        prefer = [self.r.choice(["return=minimal", "return=representation", "return=headers-only"])]
        embeds: Sequence[str] = ()
        if self.chance(0.5):
            text, embeds = self.select(table, 1)
            pairs += [("select", text)] if text else []
        if method != "POST":
            pairs += self.filters(table, embeds, 2) or [(shape.key[0], "eq." + self.value(shape.columns[shape.key[0]]))]
        value: Any = None
        if method == "POST":
            value = [self.row(table, whole=True) for _ in range(self.r.randint(1, 3))]
            keys = set(value[0]).intersection(*value)
            value = value[0] if self.chance(0.5) else [{key: row[key] for key in row if key in keys} for row in value]
            if self.chance(0.4):
                prefer.append(self.r.choice(["resolution=merge-duplicates", "resolution=ignore-duplicates"]))
        elif method == "PATCH":
            value = self.row(table, whole=False)
        if self.chance(0.4):
            prefer.append("count=exact")
        if self.chance(0.1):
            prefer.append(f"handling=strict, max-affected={self.r.randint(0, 2)}")
        accept = "application/vnd.pgrst.object+json" if self.chance(0.1) else None
        return Request(method, _path(table, pairs), value, ", ".join(prefer), accept)

    # -- parts -------------------------------------------------------------------------------------------------------

    def column(self, table: str) -> str:
        return "nope" if self.chance(self.nonsense) else self.r.choice(list(self.shapes[table].columns))

    def select(self, table: str, depth: int) -> tuple[str, list[str]]:
        shape = self.shapes[table]
        items: list[str] = []
        embeds: list[str] = []
        if self.chance(0.25):
            items.append("*")
        for _ in range(self.r.randint(0 if items else 1, 3)):
            items.append(self.item(table))
        if depth:
            for name in self.r.sample(list(shape.embeds), self.r.randint(0, min(2, len(shape.embeds)))):
                text, target = shape.embeds[name]
                inside, _ = self.select(target, depth - 1) if self.chance(0.85) else ("", [])
                join = self.r.choice(["", "", "!inner", "!left"])
                items.append(f"{text}{join}({inside})")
                embeds.append(name)
        if not embeds and self.chance(0.2):
            return "", []
        return ",".join(items), embeds

    def item(self, table: str) -> str:
        name = self.column(table)
        family = self.shapes[table].columns.get(name, "int")
        if family == "json" and self.chance(0.5):
            return f"j{self.r.randint(0, 9)}:{name}{self.r.choice(JSON_PATHS)}"
        if family in CASTS and self.chance(0.15):
            return f"{name}::{self.r.choice(CASTS[family])}"
        return f"k{self.r.randint(0, 9)}:{name}" if self.chance(0.15) else name

    def filters(self, table: str, embeds: Sequence[str], most: int) -> list[tuple[str, str]]:
        shape = self.shapes[table]
        found: list[tuple[str, str]] = []
        for _ in range(self.r.randint(0, most)):
            found.append(self.filter(table))
        if self.chance(0.25):
            found.append((self.r.choice(["or", "and", "not.or", "not.and"]), self.tree(table, embeds, 2)))
        for name in embeds:
            target = shape.embeds[name][1]
            if self.chance(0.4):
                key, value = self.filter(target)
                found.append((f"{name}.{key}", value))
            if self.chance(0.2):
                found.append((name, self.r.choice(["is.null", "not.is.null"])))
            if self.chance(0.2):
                found.append((f"{name}.order", self.order(target, ())))
                if name in shape.to_many:
                    found.append((f"{name}.limit", str(self.r.randint(0, 2))))
        return found

    def filter(self, table: str) -> tuple[str, str]:
        name = self.column(table)
        family = self.shapes[table].columns.get(name, "int")
        key = name
        if family == "json" and self.chance(0.6):
            key += self.r.choice(JSON_PATHS)
            family = "text" if "->>" in key else "json"
        negated = "not." if self.chance(0.2) else ""
        return key, negated + self.operation(family)

    def operation(self, family: Family) -> str:
        r = self.r
        if self.chance(self.nonsense):
            return f"{r.choice(['eq', 'cs', 'like', 'noop', 'is', 'in'])}.{r.choice(NONSENSE)}"
        kinds = ["is.null", "is.not_null", "eq", "neq", "in", "isdistinct"]
        if family in ORDERED:
            kinds += ["gt", "gte", "lt", "lte", "any"]
        if family == "text":
            kinds += ["like", "ilike", "likeany", "match"]
        if family == "bool":
            kinds += ["is.true", "is.false", "is.unknown"]
        if family in ("json", "array"):
            kinds += ["cs", "cd"]
        if family == "array":
            kinds += ["ov"]
        kind = r.choice(kinds)
        value = self.value(family)
        match kind:
            case "in":
                return "in.(" + ",".join(_listed(self.value(family)) for _ in range(r.randint(0, 3))) + ")"
            case "any":
                quantifier = r.choice(["any", "all"])
                values = ",".join(_listed(self.value(family)) for _ in range(r.randint(0, 2)))
                return f"{r.choice(['eq', 'gt', 'lte'])}({quantifier}).{{{values}}}"
            case "like" | "ilike":
                return f"{kind}.{r.choice(['*', 'a*', '*b', '_', 'ä*', 'a%', 'B', '[a]*', 'a_', '', 'x?'])}"
            case "likeany":
                return f"like({r.choice(['any', 'all'])}).{{a*,*b}}"
            case "match":
                return f"{r.choice(['match', 'imatch'])}.{r.choice(['^a', 'b$', '.', '[ab]', 'ä'])}"
            case _ if kind.startswith("is."):
                return kind
            case _:
                return f"{kind}.{value}"

    def tree(self, table: str, embeds: Sequence[str], depth: int) -> str:
        terms: list[str] = []
        for _ in range(self.r.randint(1, 3)):
            if depth and self.chance(0.25):
                terms.append(
                    f"{self.r.choice(['and', 'or', 'not.and', 'not.or'])}{self.tree(table, embeds, depth - 1)}"
                )
            elif embeds and self.chance(0.3):
                terms.append(f"{self.r.choice(embeds)}.{self.r.choice(['is.null', 'not.is.null'])}")
            else:
                key, operation = self.filter(table)
                terms.append(f"{key}.{_in_tree(operation)}")
        return "(" + ",".join(terms) + ")"

    def order(self, table: str, embeds: Sequence[str]) -> str:
        shape = self.shapes[table]
        terms: list[str] = []
        for _ in range(self.r.randint(1, 2)):
            name = self.column(table)
            near = [embed for embed in embeds if embed in shape.to_one]
            if near and self.chance(0.3):
                embed = self.r.choice(near)
                name = f"{embed}({self.column(shape.to_one[embed][1])})"
            terms.append(
                name + self.r.choice(["", ".asc", ".desc"]) + self.r.choice(["", "", ".nullsfirst", ".nullslast"])
            )
        return ",".join([*terms, *shape.key])

    def value(self, family: Family) -> str:
        return self.r.choice(VALUES[family])

    def row(self, table: str, *, whole: bool) -> dict[str, Any]:
        shape = self.shapes[table]
        names = [name for name in shape.columns if (whole and name in shape.key) or self.chance(0.8 if whole else 0.4)]
        row = {name: self.json(shape.columns[name]) for name in names}
        if self.chance(self.nonsense):
            row[self.r.choice(["nope", *shape.columns])] = self.r.choice(["x", [], {}, 1.5, None])
        return row

    def json(self, family: Family) -> Any:
        if self.chance(0.04):
            return None
        value = self.value(family)
        match family:
            case "int":
                return int(value)
            case "json":
                return json.loads(value)
            case "bool":
                return value == "true"
            case "float":
                return float(value)
            case _:
                return value


def _listed(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _in_tree(operation: str) -> str:
    """An operation inside a logic tree, its value quoted where it is one."""
    prefix = "not." if operation.startswith("not.") else ""
    op, dot, value = operation.removeprefix("not.").partition(".")
    if op in ("is", "in") or "(" in op or not dot or (value.startswith("{") and op in ("cs", "cd", "ov")):
        return operation
    return f"{prefix}{op}.{_listed(value)}"


def _path(table: str, pairs: Sequence[tuple[str, str]]) -> str:
    safe = "().,:*!->{}"
    query = "&".join(f"{quote(key, safe=safe)}={quote(value, safe=safe)}" for key, value in pairs)
    return f"{table}?{query}" if query else table
