"""Models with encrypted columns: what cannot be kept is refused when the app is made (EN1, EN3)."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from backstay import Backstay, ConfigError, Encrypted, Me, allow
from backstay.catalog import build_catalog
from backstay.catalog.encrypted import Sealed
from backstay.catalog.instances import KEYRING
from backstay.catalog.sealing import Place
from backstay.crypt import Key, Keyring, Unsealable, context_of

RING = Keyring((Key("a", bytes(range(32))),))


def table(*columns: Any, name: str = "t") -> sa.MetaData:
    metadata = sa.MetaData()
    sa.Table("parents", metadata, sa.Column("id", sa.Integer, primary_key=True))
    sa.Table(name, metadata, *columns)
    return metadata


def key(**options: Any) -> sa.Column[Any]:
    return sa.Column("id", sa.Uuid, primary_key=True, default=uuid4, **options)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ([sa.Column("id", sa.Integer, primary_key=True), sa.Column("x", Encrypted())], "makes the key"),
        ([sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.func.gen_random_uuid()), sa.Column("x", Encrypted())], "makes the key"),
        ([sa.Column("id", sa.Integer, sa.Identity(), primary_key=True), sa.Column("x", Encrypted())], "makes the key"),
        ([sa.Column("id", sa.Uuid, primary_key=True, default=sa.func.gen_random_uuid()), sa.Column("x", Encrypted())], "makes the key"),
        ([sa.Column("id", sa.DateTime(timezone=True), primary_key=True), sa.Column("x", Encrypted())], "cannot be bound"),
        ([sa.Column("id", sa.CHAR(5), primary_key=True), sa.Column("x", Encrypted())], "cannot be bound"),
        ([sa.Column("x", Encrypted())], "no primary key"),
        ([sa.Column("id", sa.Integer, sa.ForeignKey("parents.id", onupdate="CASCADE"), primary_key=True, autoincrement=False), sa.Column("x", Encrypted())], "changes with the row"),
        ([key(), sa.Column("x", Encrypted(), primary_key=True)], "be bound to a key|is a key"),
        ([key(), sa.Column("x", Encrypted(sa.Integer), sa.ForeignKey("parents.id"))], "is a key"),
        ([key(), sa.Column("x", Encrypted(), unique=True)], "unique or indexed"),
        ([key(), sa.Column("x", Encrypted(), index=True)], "unique or indexed"),
        ([key(), sa.Column("x", Encrypted()), sa.Column("y", sa.Text), sa.UniqueConstraint("x", "y")], "unique or indexed"),
        ([key(), sa.Column("x", Encrypted(), server_default="a")], "database makes"),
        ([key(), sa.Column("x", Encrypted(), default=sa.func.lower("A"))], "database makes"),
        ([key(), sa.Column("x", Encrypted(), onupdate="a")], "onupdate"),
        ([key(), sa.Column("x", Encrypted(sa.Float))], "cannot be encrypted"),
        ([key(), sa.Column("x", Encrypted(sa.LargeBinary))], "cannot be encrypted"),
        ([key(), sa.Column("x", Encrypted(sa.JSON, blind_index=True))], "no blind index"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused(columns: list[sa.Column[Any]], says: str) -> None:
    """EN1: a value needs a key that is known before and does not change, and the database cannot look inside."""
    with pytest.raises(ConfigError, match=says) as caught:
        build_catalog(table(*columns))
    assert ("BST-E504", True) == (caught.value.code, caught.value.hint is not None or says == "no primary key")


@pytest.mark.parametrize(
    "id",
    [
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Integer, primary_key=True, default=lambda: 7),
        sa.Column("id", sa.String(20), primary_key=True),
        sa.Column("id", sa.Date, primary_key=True),
    ],
)
def test_keys_that_are_known_before(id: sa.Column[Any]) -> None:
    """The client's, or a default in Python."""
    found = build_catalog(table(id, sa.Column("x", Encrypted(sa.String(5)), default="a"))).tables["t"]
    assert (True, "x") == (found.seals, found.columns["x"].name)
    sealing = found.columns["x"].sealing
    assert sealing is not None
    assert ("text", None, '["t","x"]') == (sealing.inner.family, sealing.blind, sealing.place.text)


def test_the_blind_index_is_a_column_of_the_table() -> None:
    """EN3: migrations see it with its index; the API does not; a copy of the table has it once."""
    metadata = table(key(), sa.Column("x", Encrypted(blind_index=True)))
    columns = metadata.tables["t"].columns
    assert ["id", "x", "x_blind"] == [column.name for column in columns]
    assert [["x_blind"]] == [[c.name for c in index.columns] for index in metadata.tables["t"].indexes]
    assert ["id", "x"] == list(build_catalog(metadata).tables["t"].columns)
    copy = metadata.tables["t"].to_metadata(sa.MetaData())
    assert ["id", "x", "x_blind"] == [column.name for column in copy.columns]
    copy.append_column(sa.Column("y", Encrypted(blind_index=True)))
    assert ["id", "x", "x_blind", "y", "y_blind"] == [column.name for column in copy.columns]


def test_schemas_do_not_share_values() -> None:
    """A12: tables of one name in two schemas have keys and contexts of their own; what is older opens until rotated."""

    def place(schema: str | None, **named: Any) -> Place:
        made = sa.Table("t", sa.MetaData(), key(), sa.Column("x", Encrypted(blind_index=True, **named)), schema=schema)
        column = build_catalog(made.metadata).tables["t"].columns["x"]
        assert column.sealing is not None
        return column.sealing.place

    plain, one, two = place(None), place("one"), place("two")
    for here in (plain, one, two):
        sealed = here.seal(RING, '"v"', ("1",))
        assert ('"v"', True) == (here.open(RING, sealed, ("1",)), here.stands(RING, sealed, ("1",)))
        for there in {plain, one, two} - {here}:
            with pytest.raises(Unsealable):
                there.open(RING, sealed, ("1",))
    # As values were sealed, and indexes made, before.
    old = RING.seal(b'"v"', purpose='column/["t","x"]', context=context_of('["t","x"]', "1"))
    index = hmac.new(RING.derive('blind/["t","x"]'), b'"v"', sha256).hexdigest()
    for here in (plain, one, two):
        assert ('"v"', False) == (here.open(RING, old, ("1",)), here.stands(RING, old, ("1",)))
        assert index in here.blinded(RING, '"v"')
    assert 3 == len({here.blinded(RING, '"v"')[0] for here in (plain, one, two)})
    assert index == plain.blinded(RING, '"v"')[0]
    # Moved to another schema, the old one is named.
    assert '"v"' == place("two", place=("one", "t", "x")).open(RING, one.seal(RING, '"v"', ("1",)), ("1",))


def test_a_place_of_ones_own_outlives_a_new_name() -> None:
    """After a column was renamed, its old names still open its values."""
    column = build_catalog(table(key(), sa.Column("x", Encrypted(place=("old", "y"))))).tables["t"].columns["x"]
    assert column.sealing is not None
    sealed = column.sealing.place.seal(RING, '"v"', ("1",))
    before = build_catalog(table(key(), sa.Column("y", Encrypted()), name="old")).tables["old"].columns["y"]
    assert before.sealing is not None
    assert '"v"' == before.sealing.place.open(RING, sealed, ("1",))


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    ssn: Mapped[str | None] = mapped_column(Encrypted(blind_index=True))


@pytest.mark.parametrize(
    "rows",
    [
        lambda: Person.ssn.is_(None),
        lambda: Person.__table__.c.ssn_blind == "x",
        lambda: sa.exists().where(sa.and_(Person.name == "x", Person.ssn.is_not(None))),
    ],
)
def test_policies_cannot_look_inside(rows: Any) -> None:
    """EN3: a policy runs in the database, which has no keys; one that only hides the column is fine."""

    @allow("read", Person)
    def looking(me: Me) -> Any:
        return rows()

    with pytest.raises(ConfigError) as caught:
        Backstay(models=Base, policies=[looking])
    assert "BST-E505" == caught.value.code

    @allow("read", Person, columns=["id", "name"])
    def hiding(me: Me) -> Any:
        return Person.name == "x"

    Backstay(models=Base, policies=[hiding])


def test_nothing_is_computed_from_one() -> None:
    """A computed field is SQL, and would show or compare ciphertext."""

    class Own(DeclarativeBase):
        pass

    class Note(Own):
        __tablename__ = "notes"
        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
        text: Mapped[str] = mapped_column(Encrypted())

        @hybrid_property
        def size(self) -> int:
            return len(self.text)

        @size.inplace.expression
        @classmethod
        def _size(cls) -> Any:
            return sa.func.length(cls.text)

    with pytest.raises(ConfigError, match=r"notes\.size is computed") as caught:
        build_catalog(Own)
    assert "BST-E504" == caught.value.code


def test_instances_without_keys_are_neither_written_nor_read() -> None:
    """EN1: a script that started no app has no keyring, and gets an error in the place of plaintext or ciphertext."""
    catalog = build_catalog(Base)
    assert catalog.seals
    engine = sa.create_engine("sqlite+apsw://")
    Base.metadata.create_all(engine)
    Base.metadata.info.pop(KEYRING, None)
    with Session(engine) as session, pytest.raises(ConfigError) as caught:
        session.add(Person(name="x", ssn="1"))
        session.flush()
    assert "BST-E502" == caught.value.code
    Base.metadata.info[KEYRING] = RING
    try:
        with Session(engine) as session:
            person = Person(name="x", ssn="1")
            session.add(person)
            session.commit()
            assert "1" == person.ssn  # read back
            person.ssn = None
            session.commit()
            assert (None, None) == session.execute(sa.text("SELECT ssn, ssn_blind FROM people")).one()
            person.ssn = "2"
            session.commit()
            found = session.scalars(sa.select(Person.ssn)).one()
            assert isinstance(found, Sealed)
            assert "<sealed>" == repr(found)
            person.id = uuid4()
            with pytest.raises(ValueError, match="cannot change"):
                session.flush()
            session.rollback()
            assert "2" == person.ssn
            with pytest.raises(sa.exc.StatementError, match="bare value"):
                session.scalars(sa.select(Person).where(Person.ssn == "2")).all()
    finally:
        del Base.metadata.info[KEYRING]
        engine.dispose()


def test_a_flush_that_failed_may_be_tried_again() -> None:
    """What a failed flush left behind is sealed again, not twice."""
    build_catalog(Base)
    engine = sa.create_engine("sqlite+apsw://")
    Base.metadata.create_all(engine)
    Base.metadata.info[KEYRING] = RING
    try:
        with Session(engine) as session:
            person = Person(id=UUID(int=1), name=None, ssn="1")
            session.add(person)
            with pytest.raises(sa.exc.IntegrityError):
                session.flush()
            session.rollback()
            person.name = "x"
            session.add(person)
            session.commit()
            assert "1" == person.ssn
    finally:
        del Base.metadata.info[KEYRING]
        engine.dispose()
