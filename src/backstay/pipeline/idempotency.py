"""``Idempotency-Key`` (draft-ietf-httpapi-idempotency-key-header): one effect, however often a request comes.

1. A key belongs to one caller, method and path (ID1).  Callers are told apart by every fact that could have made the
   answer another one (``standing.py``); one who cannot be told apart has no keys.
2. It is written in the transaction of the effect, with the whole answer.  A request that fails leaves no key, so it may
   be tried again.
3. The same request again gets the stored answer; another one with the key is refused; one that comes while the first
   still runs is told to wait.
4. Under other rules than those it was made under an answer is not shown any more, and the effect is not repeated.
5. With the operator's keys, an answer is kept sealed, its headers too, and what a request was is kept as an HMAC: who
   reads the database cannot try out what was in them.
6. Keys are kept for 24 hours, and of one account no more than so many and so much.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final

import sqlalchemy as sa

from backstay.audit.policy import fingerprint
from backstay.crypt import Keyring, Unsealable, context_of
from backstay.db.columns import later
from backstay.db.statement import Rows, Statement
from backstay.errors import DatabaseError, RequestError
from backstay.pipeline.request import DataRequest
from backstay.pipeline.standing import Standing, is_nobody
from backstay.policy import ANONYMOUS, Principal, Rule
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
    # Whose share it counts in, whatever else its scope depends on, and the bytes of the answer.
    sa.Column("caller", sa.String(32), info=later()),
    sa.Column("size", sa.BigInteger, info=later()),
    # All that is asked of a caller's keys stands in it.
    sa.Index("ix_backstay_idempotency_caller", "caller", "made_at", "size"),
)

_KEPT_SECONDS: Final = 24 * 3600
_SWEEP_SECONDS: Final = 60
#: Keys of one caller, and bytes of its answers, beyond which no new one is begun.
_MOST_KEYS: Final = 10_000
_MOST_BYTES: Final = 64 << 20
#: What of a request, beside its target and its body, may change what is done or what is answered.
_DECIDING: Final = (
    b"content-type",
    b"prefer",
    b"accept",
    b"range",
    b"if-match",
    b"if-none-match",
    b"accept-profile",
    b"content-profile",
)
_KEY: Final = re.compile(r'"?([\x21\x23-\x5b\x5d-\x7e]{1,255})"?')

_SLOTS: Final = ("scope", "key", "fingerprint", "status", "headers", "body", "made_at", "caller", "size")

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
    """The keys of one database, for answers that are made under *rules*.  *now* gives seconds since 1970.

    With *keyring* the answers are kept sealed.
    """

    def __init__(
        self,
        dialect: SqlDialect,
        *,
        now: Callable[[], float] = time.time,
        keyring: Keyring | None = None,
        rules: Iterable[Rule] = (),
    ) -> None:
        listed = tuple(rules)
        self._now = now
        self._keyring = keyring
        self._standing = Standing.under(listed)
        self._rules = fingerprint(listed, dialect.compiler)
        # Without a key, the digest of a body would let whoever reads the database try out what was in it.
        self._printing = (b"",) if keyring is None else keyring.derive_all("idempotency")
        self._swept = 0.0
        self._running: set[tuple[str, str]] = set()
        slot = {name: SlotParameter.plain(index, KEPT.c[name].type) for index, name in enumerate(_SLOTS)}
        mine = sa.and_(KEPT.c.scope == slot["scope"], KEPT.c.key == slot["key"])

        def ready(statement: Any) -> Prepared:
            return prepare(statement, dialect.compiler)

        lock = dialect.try_lock(SlotParameter.plain(len(_SLOTS), sa.BigInteger()))
        self._lock = None if lock is None else ready(lock)
        self._forget = ready(sa.delete(KEPT).where(mine, KEPT.c.made_at < slot["made_at"]))
        self._sweep = ready(sa.delete(KEPT).where(KEPT.c.made_at < slot["made_at"]))
        claimed = {name: slot[name] for name in ("scope", "key", "fingerprint", "made_at", "caller")}
        self._claim = ready(
            dialect.insert(KEPT)
            .values(claimed)
            .on_conflict_do_nothing(index_elements=[KEPT.c.scope, KEPT.c.key])
            .returning(sa.literal_column("1"))
        )
        self._find = ready(sa.select(KEPT.c.fingerprint, KEPT.c.status, KEPT.c.headers, KEPT.c.body).where(mine))
        count = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(KEPT.c.size), 0), sa.func.min(KEPT.c.made_at))
        self._count = ready(count.where(KEPT.c.caller == slot["caller"], KEPT.c.made_at >= slot["made_at"]))
        stored = {name: slot[name] for name in ("status", "headers", "body", "size")}
        self._store = ready(sa.update(KEPT).where(mine).values(stored))

    def scope(self, request: DataRequest, *, calls: bool) -> str:
        """Whose keys *request* has; *calls*: whether functions answer it, which may ask for any claim.

        Raises:
            RequestError: BST400, for a caller who cannot be told from others: they would get each other's answers.
        """
        if is_nobody(request.principal):
            raise RequestError(
                "BST400",
                "An Idempotency-Key needs a caller who can be told apart",
                hint="Sign in, or leave the header out: without an account nobody knows whose answer was kept.",
            )
        facts = self._standing.of(request.principal, every_claim=calls)
        return _digest(json.dumps([facts, request.method, request.path], sort_keys=True, default=str).encode())

    async def alone(self, scope: str, key: str, answer: Callable[[], Awaitable[Reply]]) -> Reply:
        """*answer*, unless the same *key* of this *scope* is at work in this process.

        Raises:
            DatabaseError: BST409, when it is.
        """
        place = (scope, key)
        if place in self._running:
            raise _in_flight()
        self._running.add(place)
        try:
            return await answer()
        finally:
            self._running.discard(place)

    async def once(
        self, request: DataRequest, scope: str, key: str, answer: Callable[[], Awaitable[Reply]], run: Run
    ) -> Reply:
        """*answer*, or what it was the first time.  All of it happens in the transaction that *run* writes to.

        Raises:
            DatabaseError: BST409 (the first one still runs), BST4221 (the key came with another request), BST429 (the
                caller has too many keys, or too much is kept for them).
        """
        now = int(self._now())
        prints = [_fingerprint(request, printing) for printing in self._printing]
        old, caller, number = now - _KEPT_SECONDS, _caller(request.principal), _number(scope, key)
        given = {"scope": scope, "key": key, "fingerprint": prints[0], "made_at": old, "caller": caller}

        def ask(prepared: Prepared, **more: Any) -> Awaitable[Rows]:
            values = given | more
            return run(prepared.bind((*map(values.get, _SLOTS), number), ANONYMOUS))

        if self._lock is not None and not (await ask(self._lock))[0][0]:
            raise _in_flight()
        if now - self._swept > _SWEEP_SECONDS:
            self._swept = now
            await ask(self._sweep)
        await ask(self._forget)
        if not await ask(self._claim, made_at=now):
            return self._replayed((await ask(self._find))[0], prints, context_of(scope, key))
        if not request.principal.is_service:
            _check_share(*(await ask(self._count))[0], now=now)
        reply = await answer()
        headers, body = self._kept(reply, context_of(scope, key))
        await ask(self._store, status=reply.status, headers=headers, body=body, size=len(headers) + len(body))
        return reply

    def _kept(self, reply: Reply, context: str) -> tuple[str, bytes]:
        """The headers and the body of *reply* as they are stored."""
        pairs = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in reply.headers]
        about = json.dumps({"rules": self._rules, "headers": pairs})
        if self._keyring is None:
            return about, reply.body
        # An entity tag is made of the body, and a Location may hold what a row says: both are a part of the answer.
        whole = about.encode() + b"\n" + reply.body
        return "", self._keyring.seal(whole, purpose="idempotency", context=context)

    def _opened(self, headers: str, body: bytes, context: str) -> tuple[Any, bytes]:
        """What is said about a stored answer, and its body.

        Raises:
            Unsealable: when it was kept in another form, or with a key that has been dropped.
        """
        if self._keyring is not None:
            whole = self._keyring.open_sealed(body, purpose="idempotency", context=context)
            head, _, body = whole.partition(b"\n")
            headers = head.decode()
        try:
            about = json.loads(headers)
        except ValueError:
            raise Unsealable("it was kept in another form") from None
        if not isinstance(about, dict):
            raise Unsealable("it was kept in another form")
        return about, body

    def _replayed(self, row: Any, prints: Sequence[str], context: str) -> Reply:
        if row[0] not in prints:
            raise DatabaseError(
                "BST4221",
                "The Idempotency-Key was used with another request",
                hint="Take a new key for each request; send the same body and parameters when one is repeated.",
            )
        if row[1] is None:
            raise _in_flight()
        try:
            about, body = self._opened(row[2], bytes(row[3]), context)
        except Unsealable:
            # Kept before anything was encrypted, or with a key that has been dropped.
            raise _unshown("cannot be read any more") from None
        if about["rules"] != self._rules:
            # What it shows may have been hidden since.
            raise _unshown("was made under other rules")
        headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in about["headers"])
        return Reply(row[1], (*headers, (b"idempotency-replayed", b"true")), body)


def _check_share(keys: int, size: int, oldest: int, *, now: int) -> None:
    if keys > _MOST_KEYS or size >= _MOST_BYTES:
        raise DatabaseError(
            "BST429",
            "Too much is kept for the Idempotency-Keys of this caller",
            details=f"At most {_MOST_KEYS} keys, and {_MOST_BYTES >> 20} MiB of answers, each for 24 hours.",
            hint="Nothing was done. Wait, ask for less with Prefer: return=minimal, or leave the header out.",
            headers=(("Retry-After", str(max(1, oldest + _KEPT_SECONDS - now))),),
        )


def _in_flight() -> DatabaseError:
    return DatabaseError(
        "BST409",
        "A request with this Idempotency-Key is still at work",
        hint="Wait, and send the same request again: its answer is kept.",
        headers=(("Retry-After", "1"),),
    )


def _unshown(why: str) -> DatabaseError:
    return DatabaseError(
        "BST4221",
        f"The answer that was kept for this Idempotency-Key {why}",
        hint="The request had its effect; look at it, and take a new key for another.",
    )


def _caller(who: Principal) -> str:
    """Who is counted: the account, whatever role it has at the moment; without one, all that its token says."""
    told = [who.id] if who.id is not None else Standing().of(who)
    return _digest(json.dumps(told, sort_keys=True, default=str).encode())


def _fingerprint(request: DataRequest, key: bytes) -> str:
    headers = (request.headers.get(name, b"") for name in _DECIDING)
    parts = (request.raw_path, request.query, *headers, request.body)
    return _digest(b"".join(len(part).to_bytes(8, "big") + part for part in parts), key)


def _digest(data: bytes, key: bytes = b"") -> str:
    return blake2b(data, digest_size=16, key=key).hexdigest()


def _number(scope: str, key: str) -> int:
    """Of the database's lock: 64 bits, signed."""
    return int.from_bytes(blake2b(f"{scope}{key}".encode(), digest_size=8).digest(), signed=True)
