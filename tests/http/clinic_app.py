"""A clinic: texts of HTML, and values that the database must not show."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from backstay import Backstay, Encrypted, Html, Me, Settings, Versioned, allow, function
from backstay import Model as Base
from backstay.crypt import Keyring
from tests.http.shop_app import SECRET

KEYS = Keyring.parse("2026-01:" + "0123456789abcdef" * 4)

#: How a type is named once for many columns.
Secret = Annotated[str, mapped_column(Encrypted())]


class Model(DeclarativeBase):
    """A base of its own, so that other apps of the tests do not share its tables."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


class Ward(Model):
    __tablename__ = "wards"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    sign: Mapped[str | None] = mapped_column(Html(length=60))
    people: Mapped[list[Person]] = relationship(back_populates="ward")


class Person(Versioned, Model):
    __tablename__ = "people"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    ward_id: Mapped[int | None] = mapped_column(ForeignKey("wards.id"))
    email: Mapped[str | None] = mapped_column(unique=True)
    name: Mapped[str]
    bio: Mapped[str | None] = mapped_column(Html())
    ssn: Mapped[str] = mapped_column(Encrypted(String(11), blind_index=True))
    notes: Mapped[Secret | None]
    born: Mapped[date | None] = mapped_column(Encrypted(sa.Date))
    score: Mapped[int | None] = mapped_column(Encrypted(sa.Integer, blind_index=True), default=5)
    data: Mapped[dict[str, Any] | None] = mapped_column(Encrypted(sa.JSON))
    #: Not for everybody.
    pin: Mapped[str | None] = mapped_column(Encrypted(blind_index=True))
    ward: Mapped[Ward | None] = relationship(back_populates="people")
    visits: Mapped[list[Visit]] = relationship(back_populates="person")


class Visit(Model):
    """Part of its key comes from another row, as in a nested insert."""

    __tablename__ = "visits"
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    remark: Mapped[Secret]
    person: Mapped[Person] = relationship(back_populates="visits")


@allow("read", Ward, Visit)
@allow("create", "update", "delete", Person, Visit, Ward, to="staff")
def everyone(me: Me) -> Any:
    """A clinic without secrets between its people."""
    return True


@allow(
    "read",
    Person,
    columns=["id", "name", "bio", "ward_id", "ssn", "notes", "born", "score", "data", "email", "version"],
)
def people(me: Me) -> Any:
    """So are the people."""
    return True


@allow("read", Person, to="staff")
def staff(me: Me) -> Any:
    """The staff sees all."""
    return True


@function(read_only=True)
async def find(db: AsyncSession, name: str) -> list[Person]:
    """Rows of a model, to be opened on their way out."""
    return list(await db.scalars(sa.select(Person).where(Person.name == name)))


@function(read_only=True)
async def read_ssn(db: AsyncSession, id: UUID) -> str:
    """What the app's own code sees."""
    return (await db.get_one(Person, id)).ssn


@function
async def admit(db: AsyncSession, name: str, ssn: str) -> Person:
    """A write by the app's own code."""
    person = Person(name=name, ssn=ssn, bio="<b onclick=x()>new</b>", data={"a": [1]}, born=date(2000, 2, 29))
    db.add(person)
    await db.flush()
    assert (ssn, 5, {"a": [1]}) == (person.ssn, person.score, person.data)
    return person


@function
async def correct(db: AsyncSession, id: UUID, ssn: str) -> Person:
    """A change by the app's own code."""
    person = await db.get_one(Person, id)
    person.ssn = ssn
    await db.flush()
    assert ssn == person.ssn
    await db.refresh(person)
    assert ssn == person.ssn
    return person


def clinic(url: str, keys: Keyring | None = KEYS, *, accounts: bool = False) -> Backstay:
    return Backstay(
        models=Model,
        policies=[everyone, people, staff],
        functions=[find, read_ssn, admit, correct],
        settings=Settings(database=url, jwt_secret=SECRET, encryption_keys=keys, accounts=accounts),
    )


#: What cannot be planted by SQL is posted by the tests.
WARDS: dict[str, list[dict[str, Any]]] = {"wards": [{"id": 1, "name": "North"}, {"id": 2, "name": "South"}]}
