"""Policies written into files, as an app's author writes them: the guard reads their source."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from backstay.catalog import build_catalog
from backstay.policy import Rule, compile_rules


class Base(DeclarativeBase):
    pass


class Word(Base):
    __tablename__ = "words"
    id: Mapped[int] = mapped_column(primary_key=True)
    note_id: Mapped[int] = mapped_column(sa.ForeignKey("notes.id"))
    text: Mapped[str]


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[UUID]
    team: Mapped[str | None]
    stars: Mapped[int]
    public: Mapped[bool]
    meta: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    words: Mapped[list[Word]] = relationship()
    texts: AssociationProxy[list[str]] = association_proxy("words", "text")

    @hybrid_property
    def loved(self) -> Any:
        return self.stars > 4


CATALOG = build_catalog(Base)
HEAD = """\
from typing import *
from uuid import UUID
from sqlalchemy import *
from sqlalchemy.orm import aliased
from backstay import Me, allow
from tests.policy.written import Note, Word

"""


def rules_of(folder: Path, body: str, *, before: str = "") -> tuple[Rule, ...]:
    """The rules of ``def policy(me)`` with this *body*, in a file of its own, behind *before*."""
    decorated = f'@allow("read", Note)\ndef policy(me):\n{textwrap.indent(body, "    ")}\n'
    return rules_in(folder, f"{before}\n{decorated}")


def rules_in(folder: Path, text: str) -> tuple[Rule, ...]:
    """The rules of the policy called ``policy``, or of those in that list, in a file with this *text*."""
    file = folder / "policies.py"
    file.write_text(HEAD + text, encoding="utf-8")
    space: dict[str, Any] = {"__name__": __name__}
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), space)
    made = space["policy"]
    return compile_rules(made if isinstance(made, list) else [made], CATALOG)


def sql_of(rules: tuple[Rule, ...]) -> str:
    """The rows of the only rule, as SQL."""
    (rule,) = rules
    return " ".join(str(rule.rows).split())
