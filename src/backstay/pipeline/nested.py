"""``POST`` of rows with their relatives inside: an order with its lines, in one transaction.

1. A key of the body that is no column but a relation of the table holds rows of the other table: one object where the
   relation is to-one, a list where it is to-many.  What an embed in ``select`` is called, it is called here.
2. Each level is an insert of its own, judged by its own policies as if it came alone; the keys in between are set by
   us, and a body that sets them too is refused.
3. All or nothing; at most 5 levels and 1,000 rows in all.
4. The caller must be able to read the keys of what it has inserted: the next level needs them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote

from backstay.catalog import Relation, Table
from backstay.db.statement import Database
from backstay.errors import BackstayError, Forbidden, PlanError, RequestError
from backstay.pipeline.data import Data
from backstay.pipeline.plans import Known, Plans
from backstay.pipeline.plans import known as known_of
from backstay.pipeline.request import DataRequest
from backstay.pipeline.surface import Surface
from backstay.plan.fill import fill_rows
from backstay.plan.read import plan_rows
from backstay.plan.scope import Scope, find_relation, find_table, relation_names
from backstay.plan.shape import shape_of
from backstay.request import negotiate
from backstay.request.body import check_names, parse_body
from backstay.request.limits import DEFAULT_BODY_LIMITS
from backstay.request.media import Media
from backstay.request.name import quote as quote_name
from backstay.request.prefer import Preferences
from backstay.request.query import split_pairs
from backstay.request.read import Query
from backstay.request.select import Embed, Item, Star
from backstay.response.exact import read_exact, write_exact
from backstay.response.reply import Reply
from backstay.response.rows import not_single
from backstay.response.written import Written, render_written
from backstay.sql.dialect import Form
from backstay.sql.write import key_columns, read_sql

_LEVELS: Final = 5

Row = dict[str, Any]


@dataclass(slots=True)
class Level:
    """Rows of one table, without their relatives; those stand in *branches*, one for each relation."""

    table: Table
    rows: list[Row] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)

    def count(self) -> int:
        return len(self.rows) + sum(branch.level.count() for branch in self.branches)


@dataclass(slots=True)
class Branch:
    """Relatives by *relation*, which the body calls *name*; ``owners[i]`` is the row that ``level.rows[i]`` is in."""

    name: str
    relation: Relation
    level: Level
    owners: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tree:
    """A nested insert as asked."""

    request: DataRequest
    level: Level
    query: Query
    preferences: Preferences
    media: Media
    profile: str | None


class Nested:
    """Answers nested inserts.  `insert` must run inside a transaction; *data* is the plane inside it.

    *post* answers the insert of a level by itself.
    """

    def __init__(
        self, surface: Surface, database: Database, data: Data, post: Callable[[DataRequest], Awaitable[Reply]]
    ) -> None:
        self._surface = surface
        self._database = database
        self._data = data
        self._answer = post
        self._plans: Plans[Known] = Plans(512, lambda found: found.room)

    def read(self, request: DataRequest) -> Tree | None:
        """The tree in the body of *request*; ``None`` where nothing is nested.

        Raises:
            RequestError: BST413 (too many rows or levels), PGRST102 (a relative is no object, or its key is given too).
            PlanError: PGRST127 (many-to-many, or with a resolution of duplicates), PGRST201 (which relation?).
        """
        surface = self._surface
        scope = surface.scope(request.principal)
        table = find_table(scope, request.path)
        query = surface.query(request)
        content_type = request.header(b"content-type")
        if query.columns is not None or (content_type is not None and "json" not in content_type):
            return None
        payload = parse_body(request.body, content_type, columns_given=True)
        level = _level(table, payload.rows, scope, 1)
        if not level.branches:
            return None
        if level.count() > DEFAULT_BODY_LIMITS.rows:
            raise RequestError(
                "BST413", "Too many rows in one request", hint=f"Send at most {DEFAULT_BODY_LIMITS.rows} rows at once."
            )
        preferences = surface.preferences(request)
        if preferences.resolution is not None or query.on_conflict is not None:
            raise _not_here("duplicates are not resolved in a nested insert")
        if not table.primary_key:
            raise _not_here(f"{table.name} has no primary key")
        most = preferences.max_affected if preferences.handling == "strict" else None
        if most is not None and level.count() > most:
            raise PlanError(
                "PGRST124",
                "Query result exceeds max-affected preference constraint",
                details=f"The query affects {level.count()} rows",
            )
        media = negotiate(request.header(b"accept"), surface.offered)
        profile = surface.check_profile(request.header(b"content-profile"))
        if not any(key == "select" and value for key, value in split_pairs(request.query_text)):
            query = replace(query, items=_select(level))
        return Tree(request, level, query, preferences, media, profile)

    async def insert(self, tree: Tree) -> Reply:
        """Insert the whole of *tree*, and answer as an insert of its uppermost rows."""
        table, preferences = tree.level.table, tree.preferences
        keys = await self._insert(tree, tree.level, frozenset(table.primary_key))
        if tree.media.kind == "object" and len(keys) != 1:
            raise not_single(len(keys))
        form = self._surface.dialect.form(tree.media.form)
        body = None
        if preferences.returning == "representation":
            body, form = await self._represented(tree, keys)
        first = tuple((name, keys[0][name]) for name in table.primary_key) if keys else ()
        written = Written(len(keys), body, first, form=form)
        reply = render_written("insert", table.name, written, tree.media, preferences, tree.profile)
        return reply._replace(rows=tree.level.count())

    def foresee(self, tree: Tree) -> None:
        """Make the plans that inserting *tree* takes.

        Raises:
            BackstayError: what would refuse it.
        """
        for level, wanted, given in _levels(tree.level, frozenset(tree.level.table.primary_key)):
            # A row of each kind, with nothing yet in the columns that we set.
            rows = {tuple(row): {**row, **dict.fromkeys(given)} for row in level.rows}
            if rows:
                self._data.foresee(_posted(tree, level, list(rows.values()), wanted))
        if tree.preferences.returning == "representation":
            known, values = self._representing(tree)
            known.foreseen(tree.request, values)

    async def _insert(self, tree: Tree, level: Level, wanted: frozenset[str]) -> list[Row]:
        """Insert *level* and all below it; the *wanted* columns of its own rows."""
        rows = [dict(row) for row in level.rows]
        below: list[Branch] = []
        for branch in level.branches:
            if not branch.relation.holds_key:
                below.append(branch)
                wanted |= {here for here, _ in branch.relation.pairs}
                continue
            above = await self._insert(tree, branch.level, frozenset(there for _, there in branch.relation.pairs))
            values = dict(zip(branch.owners, above, strict=True))
            for number, row in enumerate(rows):
                for here, there in branch.relation.pairs:
                    row[here] = values[number][there] if number in values else None
        found = await self._post(tree, level, rows, wanted)
        for branch in below:
            for owner, row in zip(branch.owners, branch.level.rows, strict=True):
                row |= {there: found[owner][here] for here, there in branch.relation.pairs}
            await self._insert(tree, branch.level, frozenset())
        return found

    async def _post(self, tree: Tree, level: Level, rows: list[Row], wanted: frozenset[str]) -> list[Row]:
        if not rows:
            return []
        reply = await self._answer(_posted(tree, level, rows, wanted))
        return read_exact(reply.body) if wanted else [{} for _ in rows]

    async def _represented(self, tree: Tree, keys: Sequence[Mapping[str, Any]]) -> tuple[str, Form]:
        """The rows of *keys*, and what they are made of."""
        surface, request, table = self._surface, tree.request, tree.level.table
        if not keys:
            return "[]", self._surface.dialect.form(tree.media.form)
        known, values = self._representing(tree)
        await known.look(values, request, self._database, surface, inside=True)
        columns = key_columns(table)
        packed = surface.dialect.pack(fill_rows(keys, columns, frozenset(table.columns)), len(columns))
        row = await self._database.fetch(known.bind(values, request.principal, packed))
        if row[1] != len(keys):
            raise Forbidden("42501", f'new row violates row-level security policy for table "{table.name}"')
        return known.body(str(row[0])), known.form

    def _representing(self, tree: Tree) -> tuple[Known, tuple[Any, ...]]:
        """What reads the uppermost rows again, and the values that it takes."""
        surface, table, form = self._surface, tree.level.table, self._surface.dialect.form(tree.media.form)
        embedded = replace(
            tree.query,
            conditions=tuple(item for item in tree.query.conditions if item[0]),
            pages=tuple(item for item in tree.query.pages if item[0]),
        )
        shape, values = shape_of(embedded)

        def make() -> Known:
            scope = surface.scope(tree.request.principal)
            node = plan_rows(table, scope.grant("read", table), shape, scope)
            return known_of(surface, node, form, lambda made: read_sql(node, surface.dialect, len(values), form=made))

        return self._plans.of(tree.request, (table.name, shape, len(values), form), make), values


def _levels(
    level: Level, wanted: frozenset[str], given: tuple[str, ...] = ()
) -> Iterator[tuple[Level, frozenset[str], tuple[str, ...]]]:
    """*level* and all below it, with the columns that are *wanted* of its rows, and those that they are *given*."""
    for branch in level.branches:
        here, there = zip(*branch.relation.pairs, strict=True)
        if branch.relation.holds_key:
            given += here
            yield from _levels(branch.level, frozenset(there))
        else:
            wanted |= frozenset(here)
            yield from _levels(branch.level, frozenset(), there)
    yield level, wanted, given


def _posted(tree: Tree, level: Level, rows: Sequence[Row], wanted: frozenset[str]) -> DataRequest:
    """The insert of *rows* by itself, which answers with the *wanted* columns."""
    select = quote(",".join(map(quote_name, sorted(wanted))), safe="")
    missing = f", missing={tree.preferences.missing}" if tree.preferences.missing else ""
    prefer = ("return=representation" if wanted else "return=minimal") + missing
    headers = {b"content-type": b"application/json", b"prefer": prefer.encode()}
    if tree.profile is not None:
        headers[b"content-profile"] = tree.profile.encode()
    if level is tree.level and b"if-none-match" in tree.request.headers:
        headers[b"if-none-match"] = tree.request.headers[b"if-none-match"]
    return tree.request._replace(
        path=level.table.name,
        query=f"select={select}".encode() if wanted else b"",
        headers=headers,
        body=write_exact(rows),
        # Its keys are those that the database gives.
        made=None,
    )


def _level(table: Table, rows: Sequence[Any], scope: Scope, depth: int, taken: frozenset[str] = frozenset()) -> Level:
    """Take the relatives out of *rows*, whose *taken* columns the level above sets."""
    if depth > _LEVELS:
        raise RequestError("BST413", "Too many levels in one request", hint=f"Nest at most {_LEVELS} levels.")
    level = Level(table)
    branches: dict[str, tuple[Relation, list[Any], list[int]]] = {}
    # A body may hold a hundred thousand keys: each is looked up among the names that could be meant, and only those
    # are resolved, once.
    plain: set[str] = set()
    names = relation_names(table)
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise RequestError("PGRST102", f"A relative in {table.name} is not an object")
        own: Row = {}
        for key, value in row.items():
            if key in names and key not in table.columns and key not in branches and key not in plain:
                relation = _relation(table, key, scope)
                if relation is None:
                    plain.add(key)
                else:
                    branches[key] = (relation, [], [])
            if key in branches and key not in table.columns:
                related = _relatives(branches[key][0], key, value)
                branches[key][1].extend(related)
                branches[key][2].extend([number] * len(related))
            else:
                own[key] = value
        level.rows.append(own)
    check_names(len(set().union(*level.rows)))
    for name, (relation, related, owners) in branches.items():
        remote = scope.catalog.tables[relation.remote]
        ours = frozenset(pair[0 if relation.holds_key else 1] for pair in relation.pairs)
        child = _level(remote, related, scope, depth + 1, frozenset() if relation.holds_key else ours)
        holders = level.rows if relation.holds_key else child.rows
        if any(ours & row.keys() for row in holders) or (relation.holds_key and ours & taken):
            raise RequestError(
                "PGRST102",
                f"The key of {name} is given twice",
                hint=f"Leave out {', '.join(sorted(ours))}: it follows from where the row stands.",
            )
        taken |= ours if relation.holds_key else frozenset()
        level.branches.append(Branch(name, relation, child, owners))
    return level


def _relation(table: Table, key: str, scope: Scope) -> Relation | None:
    """The relation that the body calls *key*; ``None`` where there is none that the caller sees."""
    try:
        relation = find_relation(scope, table, key, None)
    except BackstayError as error:
        if error.code == "PGRST200":
            return None
        raise
    if relation.declared:
        raise _not_here(f"{key} is a condition of the model's, not a foreign key: insert the rows by themselves")
    if relation.junction is not None:
        raise _not_here(f"{key} is many-to-many: insert the rows of {relation.junction.table} instead")
    return relation


def _relatives(relation: Relation, key: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if relation.to_one:
        if not isinstance(value, dict):
            raise RequestError("PGRST102", f"{key} is to-one: it takes an object or null")
        return [value]
    if not isinstance(value, list):
        raise RequestError("PGRST102", f"{key} is to-many: it takes a list")
    return value


def _select(level: Level) -> tuple[Item, ...]:
    """What is returned when the client does not say: the rows as they were nested."""
    return (Star(), *(Embed(branch.name, _select(branch.level)) for branch in level.branches))


def _not_here(details: str) -> PlanError:
    return PlanError("PGRST127", "Feature not implemented", details=f"{details[0].upper()}{details[1:]}.")
