"""``MetaData`` → `Catalog`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from itertools import permutations
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper, RelationshipProperty

from backstay.catalog.computed import Computed, computed_fields
from backstay.catalog.declared import declared_relation, is_plain
from backstay.catalog.family import family_of
from backstay.catalog.inheritance import is_part, sharing, whole
from backstay.catalog.instances import watch
from backstay.catalog.reserved import refuse_reserved
from backstay.catalog.sealable import sealed_columns
from backstay.catalog.search import declared_search
from backstay.catalog.table import Catalog, Column, Junction, Relation, Table
from backstay.errors import ConfigError


def build_catalog(models: Any, *, schema: str = "public", read_only: frozenset[str] = frozenset()) -> Catalog:
    """List what *models* declare.

    Args:
        models: a declarative base (``Model`` or any ``DeclarativeBase``), several mapped classes, or a ``MetaData``.
        schema: the name errors use for the place where the tables live.
        read_only: names of the tables that are views.

    Raises:
        ConfigError: BST-E001, when *models* is none of these.
    """
    metadata, mappers = _sources(models)
    by_table = {mapper.local_table: whole(mapper) for mapper in mappers}
    tables = [table for table in metadata.tables.values() if _listed(table, mappers, models)]
    _refuse_namesakes(tables)
    relations, findings = _relations(tables, by_table)
    computed = {table: computed_fields(table, by_table.get(table)) for table in tables}
    return Catalog(
        tables={
            table.name: _table(
                table,
                by_table.get(table),
                tuple(r for r in relations if r.table == table.name),
                table.name in read_only,
                computed[table][0],
            )
            for table in tables
        },
        schema=schema,
        findings=(*findings, *(sentence for _, left_out in computed.values() for sentence in left_out)),
    )


def _refuse_namesakes(tables: list[sa.Table]) -> None:
    """The API names a table without its schema."""
    known: dict[str, sa.Table] = {}
    for table in tables:
        other = known.setdefault(str(table.name), table)
        if other is not table:
            raise ConfigError(
                "BST-E026",
                f"two tables are called {table.name}: {other.fullname} and {table.fullname}",
                hint="Rename one of them, or serve one of them alone: models=[…].",
            )


def metadata_of(models: Any) -> sa.MetaData:
    """The ``MetaData`` behind *models*."""
    return _sources(models)[0]


def _sources(models: Any) -> tuple[sa.MetaData, list[Mapper[Any]]]:
    if isinstance(models, sa.MetaData):
        return models, []
    if isinstance(models, type) and hasattr(models, "registry") and hasattr(models, "metadata"):
        models.registry.configure()
        return models.metadata, sorted(models.registry.mappers, key=lambda mapper: mapper.class_.__name__)
    if isinstance(models, Iterable):
        mappers = [mapper for model in models if isinstance(mapper := sa.inspect(model, raiseerr=False), Mapper)]
        metadatas = {id(m.class_.metadata): m.class_.metadata for m in mappers}
        if mappers and len(mappers) == len(list(models)) and len(metadatas) == 1:
            for mapper in mappers:
                mapper.registry.configure()
            return next(iter(metadatas.values())), mappers
    raise ConfigError(
        "BST-E001",
        f"models must be a declarative base, mapped classes that share one MetaData, or a MetaData; got {models!r}",
        hint="Pass the base class of your models: Backstay(models=Model, …).",
    )


def _listed(table: sa.Table, mappers: list[Mapper[Any]], models: Any) -> bool:
    """Where single classes were named, only their tables and plain association tables are listed."""
    if isinstance(models, type | sa.MetaData):
        return True
    mapped = {mapper.local_table for mapper in mappers}
    everything = {m.local_table for mapper in mappers for m in mapper.registry.mappers}
    return table in mapped or table not in everything


def _table(
    table: sa.Table,
    mapper: Mapper[Any] | None,
    relations: tuple[Relation, ...],
    read_only: bool,
    computed: Mapping[str, Computed],
) -> Table:
    refuse_reserved(str(table.name))
    columns = {str(column.name): _column(column, mapper) for column in table.columns}
    columns = sealed_columns(table, columns)
    seals = any(column.sealing is not None for column in columns.values())
    if seals:
        _refuse_computing(table, columns, computed)
        if mapper is not None:
            watch(mapper)
    return Table(
        name=str(table.name),
        sql=table,
        columns=columns,
        primary_key=tuple(str(column.name) for column in table.primary_key.columns),
        relations=relations,
        read_only=read_only,
        is_view=read_only,
        title=mapper.class_.__name__ if mapper is not None else None,
        description=table.comment or _class_doc(mapper),
        model=mapper.class_ if mapper is not None else None,
        computed=computed,
        search=declared_search(table, mapper.class_ if mapper is not None else None),
        seals=seals,
    )


def _refuse_computing(table: sa.Table, columns: Mapping[str, Column], computed: Mapping[str, Computed]) -> None:
    for field in computed.values():
        if any(columns[name].sealing is not None for name in field.uses if name in columns):
            raise ConfigError(
                "BST-E504",
                f"{table.name}.{field.name} is computed by the database, from a column that it cannot read",
                hint="Compute it in Python, or do not encrypt what it needs.",
            )


def _class_doc(mapper: Mapper[Any] | None) -> str | None:
    """The docstring that somebody wrote; ``@dataclass`` invents one from the fields, hidden columns among them."""
    documentation = None if mapper is None else mapper.class_.__doc__
    if mapper is None or not documentation or documentation.startswith(f"{mapper.class_.__name__}("):
        return None
    return inspect.cleandoc(documentation)


def _column(column: sa.Column[Any], mapper: Mapper[Any] | None) -> Column:
    generated = column.computed is not None or bool(column.identity is not None and column.identity.always)
    # An integer primary key without a foreign key fills itself on both databases (SQLAlchemy's autoincrement="auto").
    autoincrement = column.table.autoincrement_column is column if isinstance(column.table, sa.Table) else False
    return Column(
        name=str(column.name),
        sql=column,
        family=family_of(column.type),
        nullable=bool(column.nullable),
        has_default=autoincrement or column.default is not None or column.server_default is not None,
        generated=generated,
        primary=column.primary_key,
        description=column.comment or _attribute_doc(column, mapper),
        duty=column.info.get("backstay"),
        identity=column.identity is not None,
    )


def _attribute_doc(column: sa.Column[Any], mapper: Mapper[Any] | None) -> str | None:
    if column.doc or mapper is None:
        return column.doc
    for each in sharing(mapper):
        try:
            return each.get_property_by_column(column).doc
        except sa.exc.SQLAlchemyError:
            continue
    return None


def constraint_name(constraint: sa.ForeignKeyConstraint) -> str:
    """The foreign key's name, or the one PostgreSQL would give it (``posts_author_id_fkey``)."""
    if constraint.name:
        return str(constraint.name)
    return f"{constraint.parent.name}_{'_'.join(constraint.column_keys)}_fkey"


def _relations(
    tables: list[sa.Table], mappers: Mapping[Any, Mapper[Any]]
) -> tuple[tuple[Relation, ...], tuple[str, ...]]:
    """Every relation, and a sentence for each relationship that is none."""
    found: list[Relation] = []
    listed = set(tables)
    for table in tables:
        keys = [key for key in _foreign_keys(table) if key.referred_table in listed]
        for key in keys:
            found += _both_ways(table, key)
        found += [relation for one, other in permutations(keys, 2) if (relation := _many_to_many(table, one, other))]
    found = [_named(relation, mappers) for relation in found]
    named = {(relation.table, name) for relation in found for name in relation.names}
    findings: list[str] = []
    for table in tables:
        for mapper, relationship in _relationships(mappers.get(table)):
            served = relationship.mapper.local_table in listed
            # A subclass has its parent's relationships too.
            if (str(table.name), relationship.key) in named or relationship.parent is not mapper or not served:
                continue
            declared = declared_relation(relationship, listed, _unique_sets)
            if isinstance(declared, Relation):
                found.append(declared)
            else:
                findings.append(f"{relationship} cannot be embedded: {declared}")
    return tuple(found), tuple(findings)


def _foreign_keys(table: sa.Table) -> list[sa.ForeignKeyConstraint]:
    return sorted(table.foreign_key_constraints, key=constraint_name)


def _both_ways(table: sa.Table, key: sa.ForeignKeyConstraint) -> tuple[Relation, Relation]:
    pairs = tuple((str(e.parent.name), str(e.column.name)) for e in key.elements)
    back = tuple((there, here) for here, there in pairs)
    unique = frozenset(here for here, _ in pairs) in _unique_sets(table)
    local, remote, name = str(table.name), str(key.referred_table.name), constraint_name(key)
    return (
        Relation(local, remote, "one-to-one" if unique else "many-to-one", name, pairs, holds_key=True),
        Relation(remote, local, "one-to-one" if unique else "one-to-many", name, back),
    )


def _unique_sets(table: sa.Table) -> set[frozenset[str]]:
    constraints = [c for c in table.constraints if isinstance(c, sa.UniqueConstraint | sa.PrimaryKeyConstraint)]
    found = {frozenset(str(column.name) for column in c.columns) for c in constraints}
    # A partial unique index does not make a column unique.
    whole = [
        i
        for i in table.indexes
        if i.unique and not any("where" in o for o in i.dialect_options.values() if o.get("where") is not None)
    ]
    return found | {frozenset(str(column.name) for column in index.columns) for index in whole}


def _many_to_many(table: sa.Table, one: sa.ForeignKeyConstraint, other: sa.ForeignKeyConstraint) -> Relation | None:
    """*table* joins two others when its primary key contains both foreign keys (PostgREST, "Many-to-many")."""
    primary = {str(column.name) for column in table.primary_key.columns}
    used = {str(column.name) for key in (one, other) for column in key.columns}
    if not used <= primary:
        return None
    junction = Junction(
        table=str(table.name),
        local_constraint=constraint_name(one),
        remote_constraint=constraint_name(other),
        local=tuple((str(e.column.name), str(e.parent.name)) for e in one.elements),
        remote=tuple((str(e.parent.name), str(e.column.name)) for e in other.elements),
    )
    return Relation(
        table=str(one.referred_table.name),
        remote=str(other.referred_table.name),
        cardinality="many-to-many",
        constraint="",
        pairs=(),
        junction=junction,
    )


def _named(relation: Relation, mappers: Mapping[Any, Mapper[Any]]) -> Relation:
    """Add the names of the ORM relationships that walk the same columns."""
    mapper = next((m for m in mappers.values() if str(getattr(m.local_table, "name", "")) == relation.table), None)
    names = frozenset(r.key for _, r in _relationships(mapper) if _same_way(r, relation))
    if not names:
        return relation
    return Relation(
        relation.table,
        relation.remote,
        relation.cardinality,
        relation.constraint,
        relation.pairs,
        relation.holds_key,
        relation.junction,
        names,
    )


def _relationships(mapper: Mapper[Any] | None) -> list[tuple[Mapper[Any], RelationshipProperty[Any]]]:
    """Those of the model, and of each that is a part of its table."""
    return [(each, found) for each in (sharing(mapper) if mapper is not None else ()) for found in each.relationships]


def _same_way(relationship: RelationshipProperty[Any], relation: Relation) -> bool:
    if str(getattr(relationship.mapper.local_table, "name", "")) != relation.remote or not is_plain(relationship):
        return False
    if is_part(relationship.mapper):
        return False  # A key leads to all rows of the table.
    if relation.junction is None:
        walked = {(str(a.name), str(b.name)) for a, b in relationship.local_remote_pairs or ()}
        return relationship.secondary is None and walked == set(relation.pairs) and _direction(relationship, relation)
    if relationship.secondary is None or str(getattr(relationship.secondary, "name", "")) != relation.junction.table:
        return False
    here = {(str(a.name), str(b.name)) for a, b in relationship.synchronize_pairs}
    return here == set(relation.junction.local)


def _direction(relationship: RelationshipProperty[Any], relation: Relation) -> bool:
    holds = relationship.direction.name == "MANYTOONE"
    return holds == relation.holds_key
