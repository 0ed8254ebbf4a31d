"""A desk of notes with all the mixins, for the features that PostgREST does not have."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from backstay import Backstay, Me, Settings, SoftDeleted, Timestamped, Versioned, allow, function
from backstay import Model as Base
from backstay.errors import PlanError
from backstay.policy import Caller
from tests.http.shop_app import SECRET


class Model(DeclarativeBase):
    """A base of its own, so that other apps of the tests do not share its tables."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


class Folder(SoftDeleted, Model):
    __tablename__ = "folders"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]
    name: Mapped[str] = mapped_column(String(20), unique=True)
    notes: Mapped[list[Note]] = relationship(back_populates="folder")


class Note(Timestamped, Versioned, SoftDeleted, Model):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]
    folder_id: Mapped[int | None] = mapped_column(ForeignKey("folders.id"))
    title: Mapped[str] = mapped_column(String(20))
    stars: Mapped[int | None]
    folder: Mapped[Folder | None] = relationship(back_populates="notes")
    marks: Mapped[list[Mark]] = relationship(back_populates="note")


class Mark(Model):
    """A line of a note that only some words are allowed in."""

    __tablename__ = "marks"
    note_id: Mapped[int] = mapped_column(ForeignKey("notes.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str]
    note: Mapped[Note] = relationship(back_populates="marks")


class Counter(Versioned, Model):
    """Anybody's number: what concurrent writers count up."""

    __tablename__ = "counters"
    name: Mapped[str] = mapped_column(primary_key=True)
    total: Mapped[int] = mapped_column(default=0)


@allow("read", "create", "update", "delete", Folder)
def own_folders(me: Me) -> Any:
    """Folders are their owner's."""
    return Folder.owner_id == me.id


@allow("read", "create", "update", "delete", Note)
def own_notes(me: Me) -> Any:
    """Notes are their owner's."""
    return Note.owner_id == me.id


@allow("read", Mark)
def marks_of_own_notes(me: Me) -> Any:
    """Marks are read with their note."""
    return sa.exists(sa.select(Note.id).where(Note.id == Mark.note_id, Note.owner_id == me.id))


@allow("create", "update", "delete", Mark)
def clean_marks(me: Me) -> Any:
    """Marks are written on one's own notes, in clean words."""
    own = sa.exists(sa.select(Note.id).where(Note.id == Mark.note_id, Note.owner_id == me.id))
    return sa.and_(own, Mark.word != "damn")


@allow("read", "create", "update", Counter)
def counters(me: Me) -> Any:
    """Everybody counts."""
    return True


@function
async def count_up(db: AsyncSession, name: str, by: int = 1) -> int:
    """Add to a counter."""
    counter = await db.get(Counter, name)
    if counter is None:
        raise PlanError("P0001", "there is no such counter")
    counter.total += by
    await db.flush()
    return counter.total


@function
async def clash(db: AsyncSession) -> None:
    """Change a note behind one's own back."""
    note = await db.get(Note, 1)
    await db.execute(sa.update(Note.__table__).values(version=9))  # type: ignore[arg-type]
    if note is not None:
        note.title = "stale"


@function(read_only=True)
async def total_of(db: AsyncSession, name: str) -> int:
    """What a counter says."""
    counter = await db.get(Counter, name)
    return -1 if counter is None else counter.total


@function(read_only=True)
async def sneak(db: AsyncSession, flush: bool = False) -> int:
    """Say that it only reads, and write."""
    db.add(Counter(name="sneaked"))
    if flush:
        await db.flush()
    return 1


@function
async def copy_note(db: AsyncSession, me: Caller, id: int, title: str) -> list[Note]:
    """A note and its copy."""
    note = await db.get(Note, id)
    if note is None:
        raise PlanError("P0001", "there is no such note")
    copy = Note(owner_id=int(me.id or 0), title=title)
    db.add(copy)
    await asyncio.sleep(0)  # waits for more than the database
    return [note, copy]


@function
async def new_folder(db: AsyncSession, me: Caller, name: str) -> None:
    """A folder, which the end of the function writes."""
    db.add(Folder(owner_id=int(me.id or 0), name=name))


@function
def add(a: int, b: int = 1) -> int:
    """Without a session."""
    return a + b


@function
def words(number: int) -> list[dict[str, str | None]]:
    """So many of them, without a session."""
    return [{"word": "w", "none": None}] * number


@function(read_only=True)
async def all_notes(db: AsyncSession) -> list[Note]:
    """Every note, of which callers see their own."""
    return list(await db.scalars(sa.select(Note)))


def desk(url: str, **options: Any) -> Backstay:
    """The desk on the database at *url*; *options* are settings."""
    return Backstay(
        models=Model,
        policies=[own_folders, own_notes, marks_of_own_notes, clean_marks, counters],
        functions=[count_up, clash, add, total_of, sneak, copy_note, new_folder, words, all_notes],
        settings=Settings(database=url, jwt_secret=SECRET, **options),
    )


#: *ann* is 1, *bob* 2.
DESK: Mapping[str, list[dict[str, Any]]] = {
    "folders": [
        {"id": 1, "owner_id": 1, "name": "work"},
        {"id": 2, "owner_id": 1, "name": "home"},
        {"id": 3, "owner_id": 2, "name": "bob's"},
    ],
    "notes": [
        {"id": 1, "owner_id": 1, "folder_id": 1, "title": "one", "stars": 2},
        {"id": 2, "owner_id": 1, "folder_id": 1, "title": "two", "stars": None},
        {"id": 3, "owner_id": 1, "folder_id": 2, "title": "three", "stars": 1},
        {"id": 4, "owner_id": 1, "folder_id": None, "title": "four", "stars": 2},
        {"id": 5, "owner_id": 2, "folder_id": 3, "title": "bob's", "stars": 5},
    ],
    "marks": [{"note_id": 1, "number": 1, "word": "red"}, {"note_id": 1, "number": 2, "word": "blue"}],
    "counters": [{"name": "hits", "total": 0}],
}
