"""Relations, inferred from keys and from the views that show them."""

from __future__ import annotations

import sqlalchemy as sa

from backstay.catalog.facts import ColumnFacts, Facts, KeyFacts, Name, TableFacts, ViewKey
from backstay.catalog.reflect import reflect_catalog
from backstay.catalog.related import relations_of


def name(table: str, schema: str = "s") -> Name:
    return Name(schema, table)


def table(own: Name, *columns: str, key: tuple[str, ...] = ("id",), is_view: bool = False) -> TableFacts:
    return TableFacts(own, tuple(ColumnFacts(c, sa.Integer()) for c in columns), key, is_view=is_view)


KEY = KeyFacts("a_b_fkey", name("a"), name("b"), (("b_id", "id"),))


def shown(facts: Facts) -> set[tuple[str, str, str, str, tuple[tuple[str, str], ...]]]:
    keys = {t.name: t.primary_key for t in facts.tables}
    found = relations_of(facts, "s", keys)
    return {(r.table, r.remote, r.cardinality, r.constraint, r.pairs) for r in found}


def test_a_key_leads_both_ways() -> None:
    """A foreign key is many-to-one where it stands and one-to-many where it points."""
    facts = Facts((table(name("a"), "id", "b_id"), table(name("b"), "id")), (KEY,))
    assert {
        ("a", "b", "many-to-one", "a_b_fkey", (("b_id", "id"),)),
        ("b", "a", "one-to-many", "a_b_fkey", (("id", "b_id"),)),
    } == shown(facts)


def test_a_unique_key_is_one_to_one() -> None:
    """Where the columns of a key are unique, neither side has many."""
    unique = KeyFacts("k", name("a"), name("b"), (("b_id", "id"),), unique=True)
    facts = Facts((table(name("a"), "id", "b_id"), table(name("b"), "id")), (unique,))
    assert {"one-to-one"} == {cardinality for _, _, cardinality, _, _ in shown(facts)}


def test_a_view_has_the_keys_it_shows() -> None:
    """A view of either side relates to the other side and to its views, under its own names of the columns."""
    views = (
        ViewKey(name("av"), name("a"), "a_b_fkey", "f", (("b_id", ("first", "second")),)),
        ViewKey(name("bv"), name("b"), "a_b_fkey", "f_ref", (("id", ("nr",)),)),
    )
    tables = (table(name("a"), "id", "b_id"), table(name("b"), "id"))
    found = shown(Facts(tables, (KEY,), views))
    assert ("av", "b", "many-to-one", "a_b_fkey", (("first", "id"),)) in found
    assert ("av", "bv", "many-to-one", "a_b_fkey", (("second", "nr"),)) in found
    assert ("bv", "a", "one-to-many", "a_b_fkey", (("nr", "b_id"),)) in found
    # Two tables, two ways through the first view, and one through the second of each of the three.
    assert 12 == len(found)


def test_a_view_that_shows_half_of_a_key_has_none() -> None:
    """A composite key is not there unless all of its columns are."""
    key = KeyFacts("k", name("a"), name("b"), (("x", "p"), ("y", "q")))
    half = (ViewKey(name("v"), name("a"), "k", "f", (("x", ("x",)),)),)
    facts = Facts((table(name("a"), "x", "y"), table(name("b"), "p", "q")), (key,), half)
    assert {("a", "b"), ("b", "a")} == {(here, there) for here, there, *_ in shown(facts)}


def test_only_a_table_whose_primary_key_holds_both_keys_joins() -> None:
    """A many-to-many needs both foreign keys in the primary key of the table between."""
    keys = (
        KeyFacts("j_a", name("j"), name("a"), (("a_id", "id"),)),
        KeyFacts("j_b", name("j"), name("b"), (("b_id", "id"),)),
    )
    ends = (table(name("a"), "id"), table(name("b"), "id"))
    joining = Facts((*ends, table(name("j"), "a_id", "b_id", key=("a_id", "b_id"))), keys)
    apart = Facts((*ends, table(name("j"), "id", "a_id", "b_id")), keys)
    assert {("a", "b"), ("b", "a")} == {
        (a, b) for a, b, cardinality, *_ in shown(joining) if "many-to-many" == cardinality
    }
    assert not any("many-to-many" == cardinality for _, _, cardinality, *_ in shown(apart))


def test_other_schemas_are_not_related() -> None:
    """A key into a schema that is not served leads nowhere, yet a view of its table does."""
    key = KeyFacts("k", name("hidden", "x"), name("b"), (("b_id", "id"),))
    view = ViewKey(name("v"), name("hidden", "x"), "k", "f", (("b_id", ("b_id",)),))
    facts = Facts((table(name("b"), "id"), table(name("v"), "b_id", key=(), is_view=True)), (key,), (view,))
    assert {("v", "b"), ("b", "v")} == {(here, there) for here, there, *_ in shown(facts)}


def test_a_view_has_the_primary_key_it_shows() -> None:
    """The first column that comes from a key's column is the key's, once."""
    view = ViewKey(name("v"), name("a"), "a_pkey", "p", (("id", ("one", "two")),))
    facts = Facts((table(name("a"), "id"), table(name("v"), "one", "two", key=(), is_view=True)), (), (view,))
    assert ("one",) == reflect_catalog(facts, "s", qualified=True).tables["v"].primary_key
