"""What the honest policies import: constants, and a condition that was built here."""

from __future__ import annotations

from enum import Enum
from typing import Final

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

TEAM: Final = "red"


class Kind(Enum):
    small = "s"
    large = "l"


class Base(DeclarativeBase):
    pass


class Mark(Base):
    __tablename__ = "marks"
    id: Mapped[int] = mapped_column(primary_key=True)
    row: Mapped[int]
    who: Mapped[int]


class Shelf(Base):
    __tablename__ = "shelves"
    id: Mapped[int] = mapped_column(primary_key=True)
    open: Mapped[bool]
    owner: Mapped[int]


OF_BOB: Final = Mark.who == 2
