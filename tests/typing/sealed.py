"""The code of a user, for mypy and pyright: encrypted columns and HTML."""

from datetime import date
from typing import Annotated, assert_type
from uuid import UUID, uuid4

from sqlalchemy import Date, String
from sqlalchemy.orm import Mapped, mapped_column

from backstay import Encrypted, Html, Model

Secret = Annotated[str, mapped_column(Encrypted())]


class Patient(Model):
    """A patient whose values the database does not see."""

    __tablename__ = "typing_patients"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    bio: Mapped[str] = mapped_column(Html(tags=["b"], length=200))
    ssn: Mapped[str] = mapped_column(Encrypted(String(11), blind_index=True))
    born: Mapped[date | None] = mapped_column(Encrypted(Date))
    notes: Mapped[Secret | None]


patient = Patient()
assert_type(patient.bio, str)
assert_type(patient.ssn, str)
assert_type(patient.born, date | None)
assert_type(patient.notes, str | None)
