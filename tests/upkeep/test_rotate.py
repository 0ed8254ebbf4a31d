"""A rotation: every value sealed anew, in batches that may be interrupted, and then a key may go (EN2)."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from backstay import Backstay, ConfigError
from backstay.adapters.load import sql_dialect
from backstay.auth.vaults import VAULTS
from backstay.crypt import Key, Keyring, Unsealable, context_of, key_id_of
from backstay.db.own import Own
from backstay.upkeep import rotate
from tests.http.api import Api, database, quick_folder
from tests.http.clinic_app import clinic

OLD, NEW = Key("old", bytes(range(32))), Key("new", bytes(range(50, 82)))
FEW = 12

#: (kind, URL, loop)
Place: TypeAlias = tuple[str, str, asyncio.AbstractEventLoop]
_NUMBERS = count()

T = TypeVar("T")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest) -> Iterator[Place]:
    """(kind, URL, loop) of a database for all tests: to drop one takes PostgreSQL long."""
    loop = asyncio.new_event_loop()
    try:
        with quick_folder() as folder, database(request.param, folder, loop, "rotation") as url:
            yield request.param, url, loop
    finally:
        loop.close()


@pytest.fixture
def place(kept: Place) -> Place:
    """(kind, URL, loop) of a database that is empty."""
    kind, url, loop = kept
    if kind == "sqlite":
        return kind, f"{url}.{next(_NUMBERS)}", loop

    async def empty() -> None:
        asyncpg = pytest.importorskip("asyncpg")
        connection = await asyncpg.connect(url)
        await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        await connection.close()

    loop.run_until_complete(empty())
    return kept


def with_keys(
    place: Place,
    keys: tuple[Key, ...],
    work: Callable[[Api], T],
    *,
    accounts: bool = False,
) -> T:
    """What *work* gives with the app that has these *keys*."""
    kind, url, loop = place
    app = clinic(url, Keyring(keys), accounts=accounts)
    started = app.started()
    loop.run_until_complete(started.__aenter__())
    try:
        return work(Api(kind, app, loop, lambda: None))
    finally:
        loop.run_until_complete(started.__aexit__(None, None, None))


def plant(number: int, first: int = 0) -> Callable[[Api], None]:
    def work(api: Api) -> None:
        rows = [
            {"id": str(UUID(int=i)), "name": f"p{i}", "ssn": str(i), "notes": f"note {i}"}
            for i in range(first, first + number)
        ]
        reply = api.post("people", rows, as_="dee")
        assert 201 == reply.status, reply.body

    return work


def ran(api: Api, work: Awaitable[T]) -> T:
    async def run() -> T:
        return await work

    return api.loop.run_until_complete(run())


def sql(api: Api, text: str) -> list[Any]:
    async def run() -> list[Any]:
        async with api.app.session() as session:
            result = await session.execute(sa.text(text))
            return list(result) if result.returns_rows else []

    return api.loop.run_until_complete(run())


def keys_of(api: Api) -> set[str]:
    return {key_id_of(bytes(row[0])) for row in sql(api, "SELECT ssn FROM people")}


def test_a_rotation_from_one_key_to_the_next(place: Place) -> None:
    """EN2: both keys read while both are there; afterwards the old one may be dropped, and nothing else has changed."""
    with_keys(place, (OLD,), plant(FEW))

    def both(api: Api) -> None:
        plant(1, FEW)(api)
        assert {"old", "new"} == keys_of(api)
        # The index is looked up under every key (EN3).
        found = api.get(f"people?select=name,notes,version&ssn=in.(3,{FEW})&order=name").json
        assert [(f"note {FEW}", 1), ("note 3", 1)] == [(row["notes"], row["version"]) for row in found]
        rotation = ran(api, api.app.rotate_encryption())
        assert (FEW, (), ("old",)) == (rotation.rows, rotation.unreadable, rotation.dropped)
        assert {"new"} == keys_of(api)
        assert (0, ()) == ((again := ran(api, api.app.rotate_encryption())).rows, again.dropped)

    def after(api: Api) -> None:
        found = api.get(f"people?select=name,notes,version&ssn=in.(3,{FEW})&order=name").json
        assert [(f"note {FEW}", 1), ("note 3", 1)] == [(row["notes"], row["version"]) for row in found]

    with_keys(place, (NEW, OLD), both)
    with_keys(place, (NEW,), after)


def test_a_key_in_use_cannot_be_dropped(place: Place) -> None:
    """EN2: the start is refused, whether the key is gone or another one stands under its id."""
    with_keys(place, (OLD,), plant(1))
    for keys in ((NEW,), (Key("old", NEW.material),), (NEW, Key("old", bytes(range(9, 41))))):
        with pytest.raises(ConfigError) as caught:
            with_keys(place, keys, plant(1, 5))
        assert ("BST-E503", True) == (caught.value.code, "old" in caught.value.message)
    # Nothing was noted by a start that was refused.
    with_keys(place, (OLD,), plant(1, 5))


class Stopping:
    """A database that is gone after some batches."""

    def __init__(self, inner: Any, batches: int) -> None:
        self.inner, self.left = inner, batches

    def session(self, *, read_only: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        self.left -= 1
        if self.left < 0:
            raise ConnectionError("gone")
        found: AbstractAsyncContextManager[AsyncSession] = self.inner.session(read_only=read_only)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def test_a_rotation_that_was_stopped_goes_on(place: Place) -> None:
    """EN2: what was done stays done, and the rest is done by the next run."""
    with_keys(place, (OLD,), plant(FEW))

    def work(api: Api) -> None:
        app, ring = api.app, Keyring((NEW, OLD))
        stopping: Any = Stopping(app.database, 2)
        with pytest.raises(ConnectionError):
            ran(api, rotate(stopping, sql_dialect(app.database.name), app._catalog, ring, batch=5))
        done = sum(key_id_of(bytes(row[0])) == "new" for row in sql(api, "SELECT ssn FROM people"))
        assert 5 <= done <= 10
        rest = ran(api, app.rotate_encryption())
        assert (FEW - done, ("old",)) == (rest.rows, rest.dropped)

    with_keys(place, (NEW, OLD), work)


def test_an_unreadable_value_keeps_its_key(place: Place) -> None:
    """EN2: a value that was moved is named, everything else is done, and no key is given up."""
    with_keys(place, (OLD,), plant(3))

    def work(api: Api) -> None:
        sql(api, "UPDATE people SET ssn = (SELECT ssn FROM people WHERE name = 'p0') WHERE name = 'p1'")
        rotation = ran(api, api.app.rotate_encryption())
        assert (3, ()) == (rotation.rows, rotation.dropped)
        assert 1 == len(rotation.unreadable)
        assert "people.ssn of the row 00000000-0000-0000-0000-000000000001" in rotation.unreadable[0]

    with_keys(place, (NEW, OLD), work)
    with pytest.raises(ConfigError, match="old"):
        with_keys(place, (NEW,), plant(1, 9))


def test_values_in_the_old_form_are_sealed_anew(place: Place) -> None:
    """A12: what was sealed before the schema was a part of the context is read, and rotated with the same key too."""
    with_keys(place, (OLD,), plant(1))
    id_ = "00000000-0000-0000-0000-000000000000"
    text = context_of("people", "ssn")
    old = Keyring((OLD,)).seal(b'"111"', purpose=f"column/{text}", context=context_of(text, id_))

    def work(api: Api) -> None:
        stored = f"X'{old.hex()}'" if api.name == "sqlite" else f"'\\x{old.hex()}'::bytea"
        blind = hmac.new(Keyring((OLD,)).derive(f"blind/{text}"), b'"111"', sha256).hexdigest()
        sql(api, f"UPDATE people SET ssn = {stored}, ssn_blind = '{blind}'")
        assert [{"ssn": "111"}] == api.rows("people?select=ssn&ssn=eq.111")
        assert 1 == ran(api, api.app.rotate_encryption()).rows
        assert 0 == ran(api, api.app.rotate_encryption()).rows
        (now,) = sql(api, "SELECT ssn FROM people")
        with pytest.raises(Unsealable):
            Keyring((OLD,)).open_sealed(bytes(now[0]), purpose=f"column/{text}", context=context_of(text, id_))
        assert [{"ssn": "111"}] == api.rows("people?select=ssn&ssn=eq.111")

    with_keys(place, (OLD,), work)


def test_kept_answers_are_sealed_anew(place: Place) -> None:
    """EN2: a request that is repeated after the rotation, with the old key gone, is told that it cannot be replayed or is."""
    body = {"name": "x", "ssn": "1"}

    def ask(api: Api) -> int:
        return api.post("people", body, as_="dee", idempotency_key="k").status

    assert 201 == with_keys(place, (OLD,), ask)
    assert 201 == with_keys(place, (NEW, OLD), ask)
    with_keys(place, (NEW, OLD), lambda api: ran(api, api.app.rotate_encryption()))
    assert 201 == with_keys(place, (NEW, OLD), ask)
    # The fingerprint of the request was made with the old key: never a second effect, but no answer either.
    assert 422 == with_keys(place, (NEW,), ask)
    assert [(1,)] == with_keys(place, (NEW,), lambda api: [tuple(r) for r in sql(api, "SELECT count(*) FROM people")])


def test_there_must_be_keys(tmp_path: Path) -> None:
    """EN2: an app with encrypted columns does not start without a keyring."""
    app = clinic(f"sqlite:///{tmp_path / 'x.db'}", None)

    async def start() -> None:
        async with app.started():
            pass

    with pytest.raises(ConfigError) as caught:
        asyncio.run(start())
    assert "BST-E502" == caught.value.code
    assert isinstance(app, Backstay)


def test_what_accounts_seal_is_sealed_anew(place: Place) -> None:
    """EN2: signing keys and letters go along; the audit log keeps the key of its rows, which then cannot be dropped."""

    def first(api: Api) -> list[str]:
        rotation = ran(api, api.app.rotate_encryption())
        # The log begins with the app's first start.
        assert ((), (), ("old",)) == (rotation.unreadable, rotation.dropped, rotation.proving)
        assert rotation.rows >= 2
        return [key_id_of(bytes(row[0])) for row in sql(api, "SELECT private FROM backstay_signing_keys")]

    with_keys(place, (OLD,), lambda api: None, accounts=True)
    assert ["new", "new"] == with_keys(place, (NEW, OLD), first, accounts=True)
    with pytest.raises(ConfigError, match="old"):
        with_keys(place, (NEW,), lambda api: None, accounts=True)
    with_keys(place, (NEW, OLD), lambda api: None, accounts=True)


#: Columns of bytes in our own tables that hold no sealed value: hashes, digests and public parts.
PLAIN = {
    "backstay_audit.previous",
    "backstay_audit.hash",
    "backstay_audit_head.hash",
    "backstay_api_keys.hash",
    "backstay_challenges.value",  # random, and good for five minutes
    "backstay_spent_tokens.hash",  # of tokens that are good no more
    "backstay_oauth_states.hash",
    "backstay_passkeys.credential_id",
    "backstay_passkeys.public_key",
    "backstay_recovery_codes.hash",
    "backstay_refresh_tokens.hash",
    "backstay_refresh_tokens.parent_hash",
}


def test_every_sealed_column_of_ours_is_known() -> None:
    """EN2: a column of bytes is a vault, or it is said here that it is none: else a rotation would lose its values."""
    known = {f"{vault.table.name}.{vault.column}" for vault in VAULTS}
    columns = {
        f"{table.name}.{column.name}"
        for table in Own.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, sa.LargeBinary)
    }
    hashes = {name for name in columns if name.endswith("_hash") or name.startswith("backstay_throttle")}
    assert set() == columns - known - PLAIN - hashes
    assert known <= columns
