"""What the data plane does around statements with encrypted columns; every other statement passes by untouched."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from backstay.catalog.sealing import Notice, Place
from backstay.crypt import Keyring, Unsealable
from backstay.errors import ConfigError, PlanError
from backstay.pipeline.surface import Surface
from backstay.plan.intent import ReadPlan
from backstay.plan.opening import Objects, Opening, Sought
from backstay.plan.read import plan_rows
from backstay.plan.seal import blinded
from backstay.policy import ANONYMOUS, Principal
from backstay.request.field import Field
from backstay.request.filters import Filter, Slot
from backstay.request.read import Query
from backstay.request.select import ColumnItem
from backstay.response.opened import open_rows
from backstay.response.reply import Headers
from backstay.sql.dialect import Form
from backstay.sql.prepared import Prepared, prepare
from backstay.sql.select import select_rows
from backstay.sql.statement import Row, Statement

_LOG: Final = logging.getLogger("backstay.crypt")
#: Values of one answer of which the log tells.
_TOLD: Final = 20
#: Rows of one filter whose blind index is compared with their value.
LOOKED_ROWS: Final = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Reads what a filter finds by a blind index, or what it leaves out, of the rows that its caller may see.

    The database cannot tell whether an index is that of the value beside it, and who exchanges two of them makes a
    filter find other rows.  So the values are opened and compared before anything is found by it.
    """

    prepared: Prepared
    rows: Objects
    place: Place


@dataclass(frozen=True, slots=True)
class Opener:
    """*opening* with the keys it takes, and with what is to be looked at before."""

    opening: Opening
    keyring: Keyring
    looks: tuple[Look, ...] = ()
    notice: Notice | None = None

    @property
    def renders(self) -> bool:
        """Whether the answer holds encrypted values, and must be JSON until they are open."""
        return self.opening.rows is not None

    def form(self, asked: Form) -> Form:
        """What the database is to make for *asked*: what is neither JSON nor features is made of JSON afterwards."""
        return "json" if self.renders and asked != "features" else asked

    def values(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The request's *values*, with what a blind index may hold in the place of what it is asked for.

        Raises:
            PlanError: 22P02 and its siblings, when one is not a value of its column.
        """
        if not self.opening.blind:
            return values
        found = list(values)
        for sought in self.opening.blind:
            given = found[sought.slot]
            texts: Sequence[str] = (given,) if isinstance(given, str) else given
            found[sought.slot] = tuple(one for text in texts for one in blinded(sought.column, text, self.keyring))
        return tuple(found)

    async def look(
        self,
        values: tuple[Any, ...],
        principal: Principal,
        fetch: Callable[[Statement], Awaitable[Row]],
        surface: Surface,
        *,
        inside: bool = False,
        writes: bool = False,
    ) -> None:
        """Compare the blind indexes that a statement with these *values* filters by with the values beside them.

        *values* are what `values` gave; *inside* is as for `Planner.render`.  Of very many rows the first are looked
        at; what *writes* is refused then.

        Raises:
            Unsealable: when one is not that of its value.
            PlanError: BST413.
        """
        for look in self.looks:
            body, rows, _ = await fetch(look.prepared.bind(values, principal))
            if writes and rows > LOOKED_ROWS:
                raise PlanError(
                    "BST413",
                    "A filter by an encrypted column means too many rows to be changed",
                    details=f"It may mean {LOOKED_ROWS} rows, whose values are compared with their index.",
                    hint="Name the rows by their key.",
                )
            await surface.planner.render(len(body), partial(self._compare, body, look), inside=inside)

    def _compare(self, body: str, look: Look) -> None:
        opened: list[dict[str, Any]] = msgspec.json.decode(self._open(body, look.rows))
        if any(value is None for row in opened for value in row.values()):
            fault = look.place.without_value()
            if self.notice is not None:
                self.notice((fault,))
            raise fault

    def _open(self, body: str, rows: Objects) -> str:
        try:
            return open_rows(body, rows, self.keyring)
        except Unsealable as fault:
            if self.notice is not None:
                self.notice((fault,))
            raise

    def body(self, body: str) -> str:
        """*body* with its values open.

        Raises:
            Unsealable: when one does not open.
        """
        rows = self.opening.rows
        return body if rows is None else self._open(body, rows)

    def page(self, body: str) -> tuple[str, Headers]:
        """As `body`, for a page of rows: values that do not open are null, and the headers say how many there are."""
        rows, faults = self.opening.rows, list[Unsealable]()
        if rows is None:
            return body, ()
        found = open_rows(body, rows, self.keyring, faults)
        if not faults:
            return found, ()
        for fault in faults[:_TOLD]:
            _LOG.error("%s", fault.reason)
        if self.notice is not None:
            self.notice(faults)
        words = f'199 - "{len(faults)} encrypted values cannot be opened, and are shown as null"'
        return found, ((b"warning", words.encode()),)


def looked_with(opens: Opener | None) -> tuple[Prepared, ...]:
    """The statements that *opens* keeps, to be weighed."""
    return () if opens is None else tuple(look.prepared for look in opens.looks)


def opener(opening: Opening | None, surface: Surface) -> Opener | None:
    """*opening* with its keys; ``None`` where nothing is encrypted."""
    if opening is None:
        return None
    looks = tuple(look for sought in opening.blind for look in _looks(sought, surface))
    return Opener(opening, sealing_keys(surface.keyring), looks, surface.notice)


def _looks(sought: Sought, surface: Surface) -> Iterator[Look]:
    """What is found by *sought*, and where it is negated also what is left out by it."""
    sealing, node = sought.column.blind_for, sought.node
    if sealing is None:
        raise AssertionError(f"{sought.column.name} is no blind index")
    field, scope = Field(sealing.inner.name), surface.scope(ANONYMOUS)
    for negated in (False, True) if sought.negated else (False,):
        condition = Filter(field, "in", Slot(sought.slot), negated)
        asked = Query(items=(ColumnItem(field),), conditions=(((), condition),))
        plan = ReadPlan(plan_rows(node.table, node.grant, asked, scope))
        found = prepare(select_rows(plan, surface.dialect, max_rows=LOOKED_ROWS + 1), surface.dialect.compiler)
        yield Look(found, Objects({field.name: sealing.place}), sealing.place)


def sealing_keys(keyring: Keyring | None) -> Keyring:
    """The keys that an app with encrypted columns was started with."""
    if keyring is None:
        raise ConfigError("BST-E502", "There are encrypted columns, and no BACKSTAY_ENCRYPTION_KEYS")
    return keyring


def converted(first: Callable[[str], str], then: Callable[[str], str] | None) -> Callable[[str], str]:
    """*first*, and *then* what else is to be done."""
    return first if then is None else lambda body: then(first(body))
