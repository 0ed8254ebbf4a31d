"""A write as asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backstay.catalog import Table
from backstay.pipeline.request import DataRequest
from backstay.pipeline.script import Demands
from backstay.request.media import Media
from backstay.request.prefer import Preferences
from backstay.request.read import Query
from backstay.sql.dialect import Form


@dataclass(frozen=True, slots=True)
class Ask:
    """A write as asked: everything parsed, nothing resolved."""

    table: Table
    shape: Query
    values: tuple[Any, ...]
    preferences: Preferences
    media: Media
    profile: str | None
    request: DataRequest
    #: Whether the database renders the rows in the statement that writes them.
    writes_inside: bool

    @property
    def representation(self) -> bool:
        return self.preferences.returning == "representation" and not self.planned_apart

    @property
    def planned_apart(self) -> bool:
        """Only how it writes is asked, and the rows would be read by another statement."""
        return self.media.kind == "plan" and not self.writes_inside

    @property
    def form(self) -> Form:
        return self.media.form

    @property
    def demands(self) -> Demands:
        strict = self.preferences.handling == "strict"
        return Demands(self.media.kind == "object", self.preferences.max_affected if strict else None)
