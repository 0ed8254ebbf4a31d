"""What a policy raised, in the words of a finding."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from backstay.policy.fault import told_fault


class Base(DeclarativeBase):
    pass


class House(Base):
    __tablename__ = "houses"
    street: Mapped[str] = mapped_column(primary_key=True)
    rooms: Mapped[list[Room]] = relationship(back_populates="house")


class Room(Base):
    __tablename__ = "rooms"
    number: Mapped[int] = mapped_column(primary_key=True)
    house_id: Mapped[str] = mapped_column(sa.ForeignKey("houses.street"))
    house: Mapped[House] = relationship(back_populates="rooms")
    chairs: Mapped[list[Chair]] = relationship()


class Chair(Base):
    __tablename__ = "chairs"
    id: Mapped[int] = mapped_column(primary_key=True)
    room_id: Mapped[int] = mapped_column(sa.ForeignKey("rooms.number"))


sa.orm.configure_mappers()


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (ValueError("x"), "ValueError: x"),
        (ValueError(), "ValueError"),
        (ValueError("one\ntwo"), "ValueError: one"),
        (TypeError("x"), "x"),
        (TypeError(), "TypeError"),
        (sa.exc.ArgumentError("x"), "x"),
        (sa.exc.ArgumentError("a column expected, got <object at 0x7f>."), "a column expected"),
        (sa.exc.ArgumentError("<Column> object resolved from <object at 0x7f>"), "<Column>"),
        (sa.exc.ArgumentError("x should be explicitly declared as text('x')"), "x"),
        (TypeError("x" * 160), "x" * 160),
        (TypeError("x" * 161), "x" * 159 + "…"),
    ],
)
def test_what_was_raised(fault: Exception, seen: str) -> None:
    """P2: the first line of what it says, without addresses in memory, 160 letters at most."""
    assert seen == told_fault(fault, None).seen


@pytest.mark.parametrize(
    ("owner", "name", "advice"),
    [
        (House.rooms, "number", "any(Room.number == …)"),
        (House.rooms, "nunber", "any(Room.number == …)"),
        (House.rooms, "house", "any(Room.house.has(…))"),
        (House.rooms, "chairs", "any(Room.chairs.any(…))"),
        (Room.house, "street", "has(House.street == …)"),
        (Room.house, "rooms", "has(House.rooms.any(…))"),
        (Room.house, "xyz", "has(…): House has street, rooms"),
    ],
)
def test_what_is_behind_a_relationship(owner: Any, name: str, advice: str) -> None:
    """P2: the way to it, as SQLAlchemy has it: any() where there are many, has() where there is one."""
    with pytest.raises(AttributeError) as raised:
        getattr(owner, name)
    seen = f"{owner} is a relationship, and has no {name}"
    assert (seen, f"Write {owner}.{advice}.") == told_fault(raised.value, None)
