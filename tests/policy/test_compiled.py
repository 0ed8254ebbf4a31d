"""Policies → rules: each refusal with its cause, and tables that are known by themselves and not by their names."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

from backstay import Encrypted, Me, SoftDeleted
from backstay.catalog import Catalog, build_catalog
from backstay.catalog.facts import ColumnFacts, Facts, Name, TableFacts
from backstay.catalog.reflect import reflect_catalog
from backstay.errors import ConfigError
from backstay.policy import allow, compile_rules, decide
from backstay.policy.rule import ACTIONS
from tests.policy.written import CATALOG, Note, Word


class Sealed(DeclarativeBase):
    pass


class Patient(Sealed):
    __tablename__ = "patients"
    id: Mapped[str] = mapped_column(primary_key=True)
    ssn: Mapped[str] = mapped_column(Encrypted(sa.String(11), blind_index=True))


class Bin(DeclarativeBase):
    pass


class Scrap(SoftDeleted, Bin):
    __tablename__ = "scraps"
    id: Mapped[int] = mapped_column(primary_key=True)


def policy(me: Me, rows: Any = None) -> Any:
    """Everybody."""
    return True


def _refused(*arguments: Any, catalogs: tuple[Catalog, ...] = (CATALOG,), over: Any = policy, **named: Any) -> Any:
    with pytest.raises(ConfigError) as refused:
        compile_rules([allow(*arguments, **named)(over)], *catalogs)
    return refused.value


CLAIMS = [
    ("user_metadata",),
    ("user_metadata", "team"),
    ("raw_user_meta_data", "team"),
    ("user_metadata.team",),
    ("user", "user_metadata", "team"),
]


@pytest.mark.parametrize("path", CLAIMS)
def test_a_claim_that_its_owner_edits_is_refused(path: tuple[str, ...]) -> None:
    """BST-E021: also by its name in the database, and inside another claim."""

    def own(me: Me) -> Any:
        return Note.team == me.claim(*path)

    assert ("BST-E021", "Use app_metadata, or a role assigned in the database.") == (
        (fault := _refused("read", Note, over=own)).code,
        fault.hint,
    )


def test_a_claim_without_a_name_is_refused() -> None:
    """P1: `me.claim()` is all of them, and so none."""
    assert "BST-E023" == _refused("read", Note, over=lambda me: me.claim() == Note.team).code


def test_what_is_not_served_is_refused() -> None:
    """BST-E022: a model of another base, and a class that is no model."""
    assert ("BST-E022", "Add it to models=.") == ((fault := _refused("read", Patient)).code, fault.hint)
    assert "Patient, which the app does not serve" in fault.message
    assert "test_compiled.py:" in fault.message
    assert "BST-E022" == _refused("read", int).code


def test_a_name_of_a_table_has_a_near_one() -> None:
    """P2, BST-E022: the name that was perhaps meant, or the action."""
    assert ("BST-E022", "Did you mean 'notes'?") == ((fault := _refused("read", "notess")).code, fault.hint)
    assert "Did you mean 'update'?" == _refused("read", "udpate", "notes").hint


def test_columns_that_are_not_there_are_refused() -> None:
    """BST-E024: unknown ones, and those of another model with the same name."""
    assert ("BST-E024", "It has id, author_id, team, stars, public, meta.") == (
        (fault := _refused("read", Note, columns=["id", "titel"])).code,
        fault.hint,
    )
    assert "titel" in fault.message
    assert ("BST-E024", True) == ((fault := _refused("read", Note, columns=[Word.id])).code, "Word.id" in fault.message)


def test_columns_are_named_or_given() -> None:
    """By name, as attributes, as columns."""
    given = [Note.id, "team", Note.__table__.c.stars]
    (rule,) = compile_rules([allow("read", Note, columns=given)(policy)], CATALOG)
    assert {"id", "team", "stars"} == rule.columns


def test_what_is_encrypted_decides_nothing() -> None:
    """BST-E505."""
    assert (
        "BST-E505"
        == _refused("read", Patient, catalogs=(build_catalog(Sealed),), over=lambda me: Patient.ssn == "1").code
    )


def test_a_policy_must_be_decorated() -> None:
    """BST-E020."""
    with pytest.raises(ConfigError) as refused:
        compile_rules([policy], CATALOG)  # type: ignore[list-item]
    assert "BST-E020" == refused.value.code


def test_true_and_false_are_meant() -> None:
    """P1: False is no row, and never every row."""
    (rule,) = compile_rules([allow("read", Note)(lambda me: False)], CATALOG)
    assert "false" == str(rule.rows)
    table = CATALOG.tables["notes"]
    grant = decide([rule], ("anon", frozenset(), False), "read", table)
    assert "false" == str(grant.rows(frozenset({"id"})))


def test_no_rule_is_no_row_and_no_column() -> None:
    """``common`` without parts is empty, and not an error."""
    grant = decide([], ("anon", frozenset(), False), "read", CATALOG.tables["notes"])
    assert (False, frozenset(), frozenset(), "false") == (
        bool(grant),
        grant.common,
        grant.columns,
        str(grant.rows(frozenset())),
    )


def _schemas() -> tuple[Catalog, Catalog]:
    """``api`` has users, posts and a table called ``internal.logs``; ``internal`` has users and logs."""
    columns = (ColumnFacts("id", sa.Integer()),)
    names = [("api", "users"), ("api", "posts"), ("internal", "users"), ("internal", "logs"), ("api", "internal.logs")]
    facts = Facts(tuple(TableFacts(Name(*name), columns, ("id",)) for name in names))
    return reflect_catalog(facts, "api", qualified=True), reflect_catalog(facts, "internal", qualified=True)


NAMED = [
    ("users", "api.users"),
    ("posts", "api.posts"),
    ("api.users", "api.users"),
    ("internal.users", "internal.users"),
]


@pytest.mark.parametrize(("name", "means"), NAMED)
def test_a_name_means_one_table(name: str, means: str) -> None:
    """S13: the first schema's without a schema, exactly that one's with it; and no rule for its namesake."""
    catalogs = _schemas()
    rules = compile_rules([allow("read", name)(policy)], *catalogs)
    granted = [
        f"{catalog.schema}.{table.name}"
        for catalog in catalogs
        for table in catalog.tables.values()
        if decide(rules, ("anon", frozenset(), False), "read", table)
    ]
    assert [means] == granted


def test_a_name_of_another_schema_is_told() -> None:
    """S13: a table that only another schema has is named with it; the start says how."""
    fault = _refused("read", "logs", catalogs=_schemas())
    assert ("BST-E022", "Write 'internal.logs'.") == (fault.code, fault.hint)


@pytest.mark.parametrize(("schema", "refused"), [(None, True), ("internal", False)])
def test_a_table_by_its_word_is_one_of_its_schema(schema: str | None, refused: bool) -> None:
    """S13, BST-E080: without a schema it is one of the first, as the database looks for it."""
    logs = sa.table("logs", sa.column("id", sa.Integer), schema=schema)

    def look(me: Me) -> Any:
        return sa.exists().where(logs.c.id == 1)

    if refused:
        assert "BST-E080" == _refused("read", "users", catalogs=_schemas(), over=look).code
    else:
        assert compile_rules([allow("read", "users")(look)], *_schemas())


def test_a_name_that_may_be_two_tables_is_refused() -> None:
    """S13: ``internal.logs`` of the first schema, or ``logs`` of the second."""
    fault = _refused("read", "internal.logs", catalogs=_schemas())
    assert ("BST-E022", True) == (fault.code, "'internal.logs', which may be" in fault.message)


def test_models_with_one_name_in_two_schemas_are_refused() -> None:
    """S13, BST-E026: the API names tables without their schemas, and the second took the place of the first."""
    metadata = sa.MetaData()
    for schema in ("api", "internal"):
        sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True), schema=schema)
    with pytest.raises(ConfigError, match=r"api\.users and internal\.users") as refused:
        build_catalog(metadata)
    assert "BST-E026" == refused.value.code


def test_models_of_a_schema_are_named_with_it() -> None:
    """S13: a model's schema stands in a policy by name."""
    metadata = sa.MetaData()
    sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True), schema="internal")
    catalog = build_catalog(metadata)
    for name in ("users", "internal.users"):
        assert ["users"] == [rule.table for rule in compile_rules([allow("read", name)(policy)], catalog)]
    assert "BST-E022" == _refused("read", "public.users", catalogs=(catalog,)).code


OTHER = aliased(Note)
LOOKS: list[tuple[Any, bool, bool]] = [
    (lambda me: True, False, False),
    (lambda me: Note.public, False, False),
    (lambda me: Note.team == me.role, False, False),
    (lambda me: Note.team == me.claim("id"), False, False),
    (lambda me: me.has_role("id") & Note.public, False, False),
    (lambda me: (lambda has: has("id") & has("other") & Note.public)(me.has_role), False, False),
    (lambda me: Note.author_id == me.id, True, False),
    (lambda me: Note.author_id == me.claim("sub"), True, False),
    (lambda me: Note.public | ~(Note.author_id == me.id), True, False),
    (lambda me: Note.words.any(), False, True),
    (lambda me: Note.id.in_(sa.select(Word.note_id)), False, True),
    (lambda me: sa.exists().where(OTHER.author_id == me.id, OTHER.id == Note.id), True, True),
    (lambda me: Note.stars > sa.select(sa.func.max(OTHER.stars)).scalar_subquery(), False, True),
    (lambda me: Note.public | sa.exists(sa.select(OTHER.id).where(OTHER.author_id == me.id)), True, True),
]


@pytest.mark.parametrize(("over", "needs_id", "has_subquery"), LOOKS, ids=range(len(LOOKS)))
def test_what_a_rule_looks_at(over: Any, needs_id: bool, has_subquery: bool) -> None:
    """S1, P1: whether it needs an account, and whether it looks at other rows: in subqueries as outside of them."""
    (rule,) = compile_rules([allow("read", Note)(over)], CATALOG)
    assert (needs_id, has_subquery) == (rule.needs_id, rule.has_subquery)


def test_rows_of_the_deleted_are_nobodys() -> None:
    """A row that is marked as deleted is shown by no rule; one that is made is not marked yet."""
    catalog = build_catalog(Bin)
    rules = compile_rules([allow("read", "create", "update", "delete", Scrap)(policy)], catalog)
    said = {
        action: str(decide(rules, ("anon", frozenset(), False), action, catalog.tables["scraps"]).rows(frozenset()))
        for action in ACTIONS
    }
    hidden = "scraps.deleted_at IS NULL"
    assert {"read": hidden, "create": "true", "update": hidden, "delete": hidden} == said
    everything = decide(rules, ("service_role", frozenset(), False), "read", catalog.tables["scraps"])
    assert "true" == str(everything.rows(frozenset()))


def test_a_rule_is_of_its_action_and_table() -> None:
    """AC1: no rule speaks for another action, nor for another table."""
    rules = compile_rules([allow("update", Note)(policy)], CATALOG)
    granted = [
        (name, action)
        for name, table in CATALOG.tables.items()
        for action in ACTIONS
        if decide(rules, ("anon", frozenset(), False), action, table)
    ]
    assert [("notes", "update")] == granted


def test_a_rule_tells_its_reason() -> None:
    """Its name and its docstring; a policy without one has its name."""

    def bare(me: Me) -> Any:
        return True

    found = compile_rules([allow("read", Note)(policy), allow("read", Note)(bare)], CATALOG)
    assert [("policy", "Everybody."), ("bare", "bare")] == [(rule.name, rule.reason) for rule in found]


def test_a_window_of_a_subquery_is_of_no_table() -> None:
    """P1: what a window gives has a name and no table; the policy says all that it reads."""

    @allow("read", Note)
    def newest(me: Me) -> Any:
        other = aliased(Note)
        numbered = sa.select(other.id, sa.func.row_number().over(order_by=other.id).label("at")).subquery()
        return Note.id.in_(sa.select(numbered.c.id).where(numbered.c.at <= 3))

    rules = compile_rules([newest], CATALOG)
    assert ["newest"] == [rule.name for rule in rules]


class Kinds(DeclarativeBase):
    pass


class Thing(Kinds):
    __tablename__ = "things"
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_on": "kind", "polymorphic_identity": "thing"}
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]


class Tool(Thing):
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "tool"}
    weight: Mapped[int | None]


class Nameless(Thing):
    """Its rows look like those of nothing."""

    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_abstract": True}


class Unmapped(Thing):
    __abstract__ = True


class Machine(Thing):
    __tablename__ = "machines"
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "machine"}
    id: Mapped[int] = mapped_column(sa.ForeignKey("things.id"), primary_key=True)


class Motor(Machine):
    """A part of ``machines``, as a column of ``things`` tells."""

    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "motor"}


class Plain(Kinds):
    __tablename__ = "plains"
    id: Mapped[int] = mapped_column(primary_key=True)


class Plainer(Plain):
    pass


PARTS: list[tuple[Any, Any, str, str]] = [
    (Nameless, policy, "BST-E055", "neither it nor a subclass has a polymorphic_identity that would tell its rows"),
    (Motor, policy, "BST-E055", "what tells its rows, things.kind, is not in its table machines"),
    (Plainer, policy, "BST-E055", "nothing tells its rows from others of its table: its base has no polymorphic_on"),
    (Unmapped, policy, "BST-E022", "Unmapped, which is no model and no table"),
    (Thing, lambda me: Tool.weight > 3, "BST-E055", "looks at Tool.weight, and not only rows of Tool are judged"),
    (Thing.__table__, lambda me: ~(Tool.kind == "x"), "BST-E055", "looks at Tool.kind, and not only rows of Tool"),
]


@pytest.mark.parametrize(("model", "over", "code", "message"), PARTS, ids=[str(m) for m, *_ in PARTS])
def test_a_part_of_a_table_that_nothing_tells(model: Any, over: Any, code: str, message: str) -> None:
    """P1: a rule for a subclass is about its rows alone, or the app does not start."""
    fault = _refused("read", model, catalogs=(build_catalog(Kinds),), over=over)
    assert code == fault.code
    assert message in fault.message
    assert "test_compiled.py:" in fault.message


def test_models_of_several_tables_are_parts_of_none() -> None:
    """P1: joined inheritance: each table's rows are its model's."""
    rules = compile_rules([allow("read", Thing, Machine)(policy)], build_catalog(Kinds))
    assert ["true", "true"] == [str(rule.rows) for rule in rules]
    assert [{"id", "kind"}, {"id"}] == [set(rule.columns) for rule in rules]


def test_the_columns_of_the_whole_table_may_be_named() -> None:
    """A rule of the base may look at those that a subclass has beside it, by its columns."""

    def heavy(me: Me, rows: Any) -> Any:
        return rows.weight > 3

    (rule,) = compile_rules([allow("read", Thing, columns=["id", Tool.weight])(heavy)], build_catalog(Kinds))
    assert {"id", "weight"} == rule.columns
    assert "things.weight > :weight_1" == str(rule.rows)
