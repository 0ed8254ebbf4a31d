"""``Idempotency-Key`` (draft-ietf-httpapi-idempotency-key-header): one effect, however often a request comes.

1. A key belongs to one principal, method and path; what came with it first decides (ID1).
2. It is written in the transaction of the effect, with the whole answer.  A request that fails leaves no key, so it may
   be tried again.
3. The same request again gets the stored answer; another one with the key is refused; one that comes while the first
   still runs is told to wait.
4. Keys are kept for 24 hours.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from hashlib import blake2b
from typing import Any, Final

import sqlalchemy as sa

from backstay.crypt import Keyring, Unsealable, context_of
from backstay.db.statement import Rows, Statement
from backstay.errors import DatabaseError, RequestError
from backstay.pipeline.request import DataRequest
from backstay.policy import ANONYMOUS
from backstay.response.reply import Reply
from backstay.sql.dialect import SqlDialect
from backstay.sql.parameters import SlotParameter
from backstay.sql.prepared import Prepared, prepare

#: The table of ours beside the app's: created when the app starts.
TABLES: Final = sa.MetaData()
#: A row for each key.
KEPT: Final = sa.Table(
    "backstay_idempotency",
    TABLES,
    sa.Column("scope", sa.String(32), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("fingerprint", sa.String(32), nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("headers", sa.Text),
    sa.Column("body", sa.LargeBinary),
    # Seconds since 1970.
    sa.Column("made_at", sa.BigInteger, nullable=False, index=True),
)

_KEPT_SECONDS: Final = 24 * 3600
_SWEEP_SECONDS: Final = 60
_KEY: Final = re.compile(r'"?([\x21\x23-\x5b\x5d-\x7e]{1,255})"?')

#: Runs one statement in the transaction of the effect.
Run = Callable[[Statement], Awaitable[Rows]]


def parse_key(text: str) -> str:
    """The key in the header, with or without the quotes that the draft writes.

    >>> parse_key('"8e03978e-40d5-43dd"')
    '8e03978e-40d5-43dd'

    Raises:
        RequestError: BST400, for one that is empty, longer than 255 characters, or holds other than visible ASCII.
    """
    found = _KEY.fullmatch(text.strip())
    if found is None:
        raise RequestError(
            "BST400",
            "The Idempotency-Key is malformed",
            hint="Send 1 to 255 visible ASCII characters, such as a UUID, without quotes or backslashes inside.",
        )
    return found[1]


class Keys:
    """The keys of one database.  *now* gives seconds since 1970.

    With *keyring* the answers are kept sealed: they may show what a column encrypts.
    """

    def __init__(
        self, dialect: SqlDialect, *, now: Callable[[], float] = time.time, keyring: Keyring | None = None
    ) -> None:
        self._now = now
        self._keyring = keyring
        # Without a key, the digest of a body would let whoever reads the database try out what was in it.
        self._printing = (b"",) if keyring is None else keyring.derive_all("idempotency")
        self._swept = 0.0
        self._running: set[tuple[str, str]] = set()
        names = ("scope", "key", "fingerprint", "status", "headers", "body", "made_at")
        slot = {name: _slot(index, KEPT.c[name].type) for index, name in enumerate(names)}
        mine = sa.and_(KEPT.c.scope == slot["scope"], KEPT.c.key == slot["key"])

        def ready(statement: Any) -> Prepared:
            return prepare(statement, dialect.compiler)

        lock = dialect.try_lock(_slot(7, sa.BigInteger()))
        self._lock = None if lock is None else ready(lock)
        self._forget = ready(sa.delete(KEPT).where(mine, KEPT.c.made_at < slot["made_at"]))
        self._sweep = ready(sa.delete(KEPT).where(KEPT.c.made_at < slot["made_at"]))
        claimed = {name: slot[name] for name in ("scope", "key", "fingerprint", "made_at")}
        self._claim = ready(
            dialect.insert(KEPT)
            .values(claimed)
            .on_conflict_do_nothing(index_elements=[KEPT.c.scope, KEPT.c.key])
            .returning(sa.literal_column("1"))
        )
        self._find = ready(sa.select(KEPT.c.fingerprint, KEPT.c.status, KEPT.c.headers, KEPT.c.body).where(mine))
        stored = {name: slot[name] for name in ("status", "headers", "body")}
        self._store = ready(sa.update(KEPT).where(mine).values(stored))

    async def alone(self, request: DataRequest, answer: Callable[[str], Awaitable[Reply]]) -> Reply:
        """*answer* with the key of *request*, unless the same key is at work in this process.

        Raises:
            DatabaseError: BST409, when it is.
        """
        key = parse_key(request.header(b"idempotency-key") or "")
        place = (_scope(request), key)
        if place in self._running:
            raise _in_flight()
        self._running.add(place)
        try:
            return await answer(key)
        finally:
            self._running.discard(place)

    async def once(self, request: DataRequest, key: str, answer: Callable[[], Awaitable[Reply]], run: Run) -> Reply:
        """*answer*, or what it was the first time.  All of it happens in the transaction that *run* writes to.

        Raises:
            DatabaseError: BST409 (the first one still runs), BST4221 (the key came with another request).
        """
        now = int(self._now())
        scope, prints = _scope(request), [_fingerprint(request, key) for key in self._printing]
        print_ = prints[0]
        old = now - _KEPT_SECONDS
        values = [scope, key, print_, None, None, None, old, _number(scope, key)]

        def ask(prepared: Prepared, **changed: Any) -> Awaitable[Rows]:
            for index, name in enumerate(("status", "headers", "body", "made_at"), 3):
                values[index] = changed.get(name, values[index])
            return run(prepared.bind(values, ANONYMOUS))

        if self._lock is not None and not (await ask(self._lock))[0][0]:
            raise _in_flight()
        if now - self._swept > _SWEEP_SECONDS:
            self._swept = now
            await ask(self._sweep)
        await ask(self._forget)
        if not await ask(self._claim, made_at=now):
            return self._replayed((await ask(self._find))[0], prints, context_of(scope, key))
        reply = await answer()
        headers = json.dumps([[name.decode("latin-1"), value.decode("latin-1")] for name, value in reply.headers])
        body = reply.body
        if self._keyring is not None:
            body = self._keyring.seal(body, purpose="idempotency", context=context_of(scope, key))
        await ask(self._store, status=reply.status, headers=headers, body=body)
        return reply

    def _replayed(self, row: Any, prints: Sequence[str], context: str) -> Reply:
        if row[0] not in prints:
            raise DatabaseError(
                "BST4221",
                "The Idempotency-Key was used with another request",
                hint="Take a new key for each request; send the same body and parameters when one is repeated.",
            )
        if row[1] is None:
            raise _in_flight()
        headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in json.loads(row[2]))
        body = bytes(row[3])
        if self._keyring is not None:
            try:
                body = self._keyring.open_sealed(body, purpose="idempotency", context=context)
            except Unsealable:
                # Kept before anything was encrypted, or with a key that has been dropped.
                raise DatabaseError(
                    "BST4221",
                    "The answer that was kept for this Idempotency-Key cannot be read any more",
                    hint="The request had its effect; look at it, and take a new key for another.",
                ) from None
        return Reply(row[1], (*headers, (b"idempotency-replayed", b"true")), body)


def _in_flight() -> DatabaseError:
    return DatabaseError(
        "BST409",
        "A request with this Idempotency-Key is still at work",
        hint="Wait, and send the same request again: its answer is kept.",
        headers=(("Retry-After", "1"),),
    )


def _scope(request: DataRequest) -> str:
    who = request.principal
    return _digest(json.dumps([who.role, sorted(who.roles), who.id, request.method, request.path]).encode())


def _fingerprint(request: DataRequest, key: bytes) -> str:
    return _digest(b"\0".join((request.query, request.headers.get(b"content-type", b""), request.body)), key)


def _digest(data: bytes, key: bytes = b"") -> str:
    return blake2b(data, digest_size=16, key=key).hexdigest()


def _number(scope: str, key: str) -> int:
    """Of the database's lock: 64 bits, signed."""
    return int.from_bytes(blake2b(f"{scope}{key}".encode(), digest_size=8).digest(), signed=True)


def _slot(index: int, type_: sa.types.TypeEngine[Any]) -> SlotParameter:
    return SlotParameter.of(index, lambda value: value, type_)
