"""The code of a user, for mypy and pyright: what the mixins give a model."""

from datetime import datetime
from typing import assert_type

from sqlalchemy.orm import Mapped, mapped_column

from backstay import Model, SoftDeleted, Timestamped, Versioned


class Draft(Timestamped, Versioned, SoftDeleted, Model):
    """A draft with everything kept."""

    __tablename__ = "typing_drafts"
    id: Mapped[int] = mapped_column(primary_key=True)


draft = Draft()
assert_type(draft.created_at, datetime)
assert_type(draft.version, int)
assert_type(draft.deleted_at, datetime | None)
