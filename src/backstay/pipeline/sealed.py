"""What the data plane does around statements with encrypted columns; every other statement passes by untouched."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from backstay.catalog.sealing import Notice, Place
from backstay.crypt import Keyring, Unsealable
from backstay.db.statement import Database
from backstay.errors import ConfigError, PlanError
from backstay.pipeline.compared import Compared
from backstay.pipeline.request import DataRequest
from backstay.pipeline.surface import Surface
from backstay.plan.intent import ReadPlan
from backstay.plan.opening import Opening, Sought
from backstay.plan.read import plan_rows
from backstay.plan.seal import blinded
from backstay.policy import ANONYMOUS
from backstay.request.field import Field
from backstay.request.filters import Filter, Slot
from backstay.request.logic import Logic
from backstay.request.read import Query
from backstay.request.select import ColumnItem
from backstay.response.opened import open_rows
from backstay.response.reply import Headers
from backstay.sql.dialect import Form
from backstay.sql.prepared import Prepared, prepare
from backstay.sql.select import select_rows
from backstay.sql.statement import Steps

_LOG: Final = logging.getLogger("backstay.crypt")
#: Values of one answer of which the log tells.
_TOLD: Final = 20
#: Rows whose blind index is compared with their value, of what filters by one column find, and of what they leave out.
LOOKED_ROWS: Final = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Reads what filters find by a blind index, or what they leave out, of the rows that their caller may see.

    The database cannot tell whether an index is that of the value beside it, and who exchanges two of them makes a
    filter find other rows.  So the values are opened and compared before anything is found by it.
    """

    prepared: Prepared
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
        request: DataRequest,
        database: Database,
        surface: Surface,
        *,
        inside: bool = False,
        writes: bool = False,
    ) -> None:
        """Compare the blind indexes that a statement with these *values* filters by with the values beside them.

        *values* are what `values` gave; *inside* says that *database* is the transaction around.  Of very many rows the
        first are looked at; what *writes* is refused then.

        Raises:
            Unsealable: when one is not that of its value.
            PlanError: BST413.
            DatabaseError: 57014, when it takes longer than a statement may.
        """
        if inside or len(self.looks) > 1:
            # Several of them are not tried on the event loop, each for its own time.
            await database.snapshot(lambda: self.looking(values, request, surface, writes=writes))
            return
        compared = compared_of(request, surface)
        for look in self.looks:
            body, rows, _ = await database.fetch(look.prepared.bind(values, request.principal))
            _check_number(rows, writes=writes)
            await surface.planner.render(len(body), partial(self._compare, body, look, compared))

    def looking(
        self, values: tuple[Any, ...], request: DataRequest, surface: Surface, *, writes: bool = False
    ) -> Steps[None]:
        """As `look`, as steps of a transaction."""
        compared = compared_of(request, surface)
        for look in self.looks:
            body, rows, _ = (yield look.prepared.bind(values, request.principal))[0]
            _check_number(rows, writes=writes)
            self._compare(body, look, compared)

    def _compare(self, body: str, look: Look, compared: Compared) -> None:
        with self._noticing():
            compared.compare(body, look.place, self.keyring)

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        """What does not open is told to the operator."""
        try:
            yield
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
        if rows is None:
            return body
        with self._noticing():
            return open_rows(body, rows, self.keyring)

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
    groups: dict[tuple[str, str, int], list[Sought]] = {}
    for sought in opening.blind:
        key = (sought.node.table.name, sought.column.name, id(sought.node.grant))
        groups.setdefault(key, []).append(sought)
    looks = tuple(look for group in groups.values() for look in _looks(group, surface))
    return Opener(opening, sealing_keys(surface.keyring), looks, surface.notice)


def _looks(group: Sequence[Sought], surface: Surface) -> Iterator[Look]:
    """What is found by one of *group*, filters by one column, and where one is negated also all that is left out.

    No row is in both, so none is opened twice.
    """
    column, node = group[0].column, group[0].node
    sealing = column.blind_for
    if sealing is None:
        raise AssertionError(f"{column.name} is no blind index")
    field, scope = Field(sealing.inner.name), surface.scope(ANONYMOUS)
    for negated in (False, True) if any(sought.negated for sought in group) else (False,):
        terms = tuple(Filter(field, "in", Slot(sought.slot), negated) for sought in group)
        condition = terms[0] if len(terms) == 1 else Logic("and" if negated else "or", terms)
        asked = Query(items=(ColumnItem(field),), conditions=(((), condition),))
        plan = ReadPlan(plan_rows(node.table, node.grant, asked, scope))
        found = prepare(select_rows(plan, surface.dialect, max_rows=LOOKED_ROWS + 1), surface.dialect.compiler)
        yield Look(found, sealing.place)


def compared_of(request: DataRequest, surface: Surface) -> Compared:
    """What *request* has compared so far."""
    return request.compared or Compared(surface.budget.database_seconds)


def foreseen(request: DataRequest, opens: Opener | None, values: tuple[Any, ...]) -> None:
    """Remember that the transaction of *request* will look what *opens* looks at with these *values*."""
    if opens is not None and opens.looks and request.ahead is not None and not request.ahead.begun:
        request.ahead.looks.append((opens, values))


async def look_ahead(request: DataRequest, database: Database, surface: Surface) -> None:
    """Compare before the transaction of *request* what it will compare; what is wrong is told there.

    So nothing is opened in it but what has changed in between, and nobody waits to write meanwhile.

    Raises:
        DatabaseError: 57014, when it takes longer than a statement may, or whatever else refuses to read.
    """
    looks: Sequence[tuple[Opener, tuple[Any, ...]]] = () if request.ahead is None else request.ahead.looks
    if not looks:
        return

    def steps() -> Steps[None]:
        for opens, values in looks:
            try:
                yield from replace(opens, notice=None).looking(values, request, surface)
            except Unsealable:
                return

    await database.snapshot(steps)


def _check_number(rows: int, *, writes: bool) -> None:
    if writes and rows > LOOKED_ROWS:
        raise PlanError(
            "BST413",
            "A filter by an encrypted column means too many rows to be changed",
            details=f"It may mean {LOOKED_ROWS} rows, whose values are compared with their index.",
            hint="Name the rows by their key.",
        )


def sealing_keys(keyring: Keyring | None) -> Keyring:
    """The keys that an app with encrypted columns was started with."""
    if keyring is None:
        raise ConfigError("BST-E502", "There are encrypted columns, and no BACKSTAY_ENCRYPTION_KEYS")
    return keyring


def converted(first: Callable[[str], str], then: Callable[[str], str] | None) -> Callable[[str], str]:
    """*first*, and *then* what else is to be done."""
    return first if then is None else lambda body: then(first(body))
