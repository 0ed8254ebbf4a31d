"""What has been planned, by shape: made once, then only bound.

1. A plan is made by its first request, where `may_plan` lets it be: in a thread, and before a transaction.
2. A request that will run inside a transaction brings its plans along (`DataRequest.ahead`): what is remembered may be
   forgotten in between, by the very plans of a large batch.
3. It also brings along all that was made with them (`once`): what was read, bound and encoded, or refused, is not so a
   second time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from backstay.db.statement import Database
from backstay.errors import BackstayError
from backstay.pipeline.planner import may_plan, too_different
from backstay.pipeline.remember import Remembered, held, room_of
from backstay.pipeline.request import DataRequest
from backstay.pipeline.sealed import Opener, foreseen, looked_with, opener
from backstay.pipeline.surface import Surface
from backstay.plan.intent import Node
from backstay.plan.opening import opening_of
from backstay.policy import Principal
from backstay.response.reply import Headers
from backstay.sql.dialect import Form
from backstay.sql.prepared import Prepared, prepare
from backstay.sql.statement import Statement

V = TypeVar("V")

#: Plans that one transaction may make nevertheless: of what stands in a row that it has read, and not in the request.
_LATE: Final = 4


class Plans(Generic[V]):
    """At most *most* plans, which *weigh* weighs in bytes, without their keys."""

    def __init__(self, most: int, weigh: Callable[[V], int]) -> None:
        self._remembered: Remembered[Hashable, V] = Remembered(most, weigh=lambda key, plan: held(key) + weigh(plan))

    def of(self, request: DataRequest, key: Hashable, make: Callable[[], V]) -> V:
        """The plan under *key* for callers of the kind of *request*'s; *make* makes it, where it is the first.

        Raises:
            Unplanned: it is the first, and the event loop would wait for it.
            RequestError: BST413, when too many come to light only in the transaction.
        """
        key = (key, request.principal.kind)
        found, ahead = self._remembered.get(key), request.ahead
        if found is None and ahead is not None:
            found = ahead.plans.get((self, key))
        if found is None:
            may_plan()
            if ahead is not None and ahead.begun and ahead.late >= _LATE:
                raise too_different()
            found = self._remembered.put(key, make())
            if ahead is not None and ahead.begun:
                ahead.late += 1
        if ahead is not None:
            ahead.plans[self, key] = found
        return found


def once(request: DataRequest, who: Hashable, make: Callable[[], V]) -> V:
    """What *make* gives *who* for *request*; where that was made before its transaction began, the same.

    Raises:
        BackstayError: what *make* raises, or has raised.
    """
    if request.made is None:
        return make()
    key = (who, request.text)
    found = request.made.get(key)
    if found is None:
        try:
            found = make()
        except BackstayError as error:
            # Without the frames that it came from, which hold all that was read.
            found = error.with_traceback(None)
        request.made[key] = found
    if isinstance(found, BackstayError):
        raise found
    value: V = found
    return value


@dataclass(frozen=True, slots=True)
class Known:
    """A statement that has been planned, what its rows are made of, and what opens its encrypted values."""

    prepared: Prepared
    form: Form = "json"
    opener: Opener | None = None

    @property
    def room(self) -> int:
        """About how many bytes it takes."""
        return room_of(self.prepared, *looked_with(self.opener))

    async def look(
        self,
        values: tuple[Any, ...],
        request: DataRequest,
        database: Database,
        surface: Surface,
        *,
        inside: bool = False,
    ) -> None:
        """Compare the blind indexes that are filtered by (see `Opener.look`)."""
        if self.opener is not None and self.opener.looks:
            await self.opener.look(self.opener.values(values), request, database, surface, inside=inside)

    def foreseen(self, request: DataRequest, values: tuple[Any, ...]) -> None:
        """Have it compared before the transaction of *request* begins."""
        if self.opener is not None:
            foreseen(request, self.opener, self.opener.values(values))

    def bind(self, values: tuple[Any, ...], principal: Principal, packed: tuple[Any, ...] = ()) -> Statement:
        """The statement for the request's *values*, and for the *packed* keys of rows behind them."""
        if self.opener is not None:
            values = self.opener.values(values)
        return self.prepared.bind((*values, *packed), principal)

    def body(self, body: str) -> str:
        """What the statement gave, with its values open."""
        return body if self.opener is None else self.opener.body(body)

    def page(self, body: str) -> tuple[str, Headers]:
        """As `body`, where a value that does not open must not take the others (`Opener.page`)."""
        return (body, ()) if self.opener is None else self.opener.page(body)


def known(
    surface: Surface, shown: Node | None, form: Form, statement: Callable[[Form], Any], rows: Node | None = None
) -> Known:
    """*statement* of what it is to be made of; it shows *shown* as *form*, and finds what it writes by *rows*."""
    opens = None
    if surface.seals:
        opens = opener(opening_of(shown, rows, features=form == "features"), surface)
    form = form if opens is None else opens.form(form)
    return Known(prepare(statement(form), surface.dialect.compiler), form, opens)
