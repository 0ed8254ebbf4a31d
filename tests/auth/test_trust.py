"""`Trust`: what is still believed of a token that was signed by us, and how often the database is asked about it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

import pytest

from backstay.auth.epoch import LONGEST, bump_epoch, revoke_sessions
from backstay.auth.signing import ensure_keys, revoke_key, rotate_keys
from backstay.auth.trust import FRESH_SECONDS, LOOKS, Trust, session_of
from backstay.crypt import Keyring
from backstay.db.store import Store
from backstay.errors import TokenError
from backstay.policy.principal import Principal

pytestmark = pytest.mark.anyio

KEYRING = Keyring.parse("2026-11:" + "0123456789abcdef" * 4)
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SESSION = UUID(int=7)


class World:
    """A `Trust` over *store*, whose clocks stand until they are turned; and what was asked of its database."""

    def __init__(self, store: Store) -> None:
        self.store, self.looks, self.elapsed, self.at = store, 0, 0.0, AT
        self.keys: list[Any] = []
        self.api_keys: list[Any] = []
        self.trust = Trust(
            self,  # type: ignore[arg-type]
            KEYRING,
            self.keys.append,
            adopt_api_keys=self.api_keys.append,
            timer=lambda: self.elapsed,
            now=lambda: self.at,
        )

    async def one(self, asked: Any) -> Any:
        self.looks += 1
        return await self.store.one(asked)

    async def all(self, asked: Any) -> Any:
        return await self.store.all(asked)

    async def says(self, action: Any, at: datetime = AT, session: UUID = SESSION) -> None:
        """Another process says this of the session."""
        await self.store.transact(lambda tx: revoke_sessions(tx, [session], action, at))

    async def look(self) -> None:
        self.trust.expire()
        await self.trust.refresh()

    def admit(self, iat: datetime = AT, session: Any = str(SESSION)) -> str:
        """What becomes of a token with a second factor: its aal, or the code of the refusal."""
        claims = MappingProxyType({"session_id": session, "iat": int(iat.timestamp())})
        try:
            return str(self.trust.admit(Principal("authenticated", "1", claims=claims, aal="aal2")).aal)
        except TokenError as error:
            return error.code


@pytest.fixture
async def world(store: Store) -> World:
    await store.transact(lambda tx: ensure_keys(tx, KEYRING, AT))
    return World(store)


async def test_a_look_is_good_for_less_than_a_second(world: World) -> None:
    """TK5: one look, however many ask; and the next when it is too old."""
    assert world.trust.is_stale
    await asyncio.gather(*(world.trust.refresh() for _ in range(5)))
    assert (1, False) == (world.looks, world.trust.is_stale)
    world.elapsed = FRESH_SECONDS
    assert not world.trust.is_stale
    world.elapsed = FRESH_SECONDS + 0.001
    assert world.trust.is_stale
    await world.trust.refresh()
    assert 2 == world.looks
    world.trust.expire()
    assert world.trust.is_stale


async def test_unknown_credentials_make_few_looks(world: World) -> None:
    """Fifty a second: whoever sends made-up keys asks no more of the database."""
    await world.trust.refresh()
    assert not await world.trust.look_again()
    world.elapsed = 1 / LOOKS
    assert await world.trust.look_again()
    assert not await world.trust.look_again()
    assert 2 == world.looks


async def test_a_look_that_was_overtaken_is_taken_again(world: World) -> None:
    """TK5: what was revoked here while the database was asked may have been missed."""
    real = world.store.one

    async def overtaken(asked: Any) -> Any:
        row = await real(asked)
        world.trust.expire()
        return row

    world.store.one = overtaken  # type: ignore[method-assign]
    await world.trust.refresh()
    assert world.trust.is_stale
    world.store.one = real  # type: ignore[method-assign]
    await world.trust.refresh()
    assert not world.trust.is_stale


@pytest.mark.parametrize(
    ("said", "iat", "expected"),
    [
        ([], AT, "aal2"),
        (["end"], AT, "PGRST301"),
        (["aal1"], AT, "aal1"),
        (["stale"], AT, "PGRST303"),
        (["stale"], AT + SECOND, "aal2"),
        (["stale"], AT - SECOND, "PGRST303"),
        (["aal1", "stale"], AT + SECOND, "aal1"),
        (["stale", "aal1"], AT, "PGRST303"),
        (["end", "stale"], AT + SECOND, "PGRST301"),
        (["aal1", "end"], AT + SECOND, "PGRST301"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_what_was_said_of_a_session(
    world: World, said: list[str], iat: datetime, expected: str, at_once: bool
) -> None:
    """TK4, TK5, MF4: whatever was said stays said, in one look or in several, and of no other session."""
    for action in said:
        await world.says(action)
        if not at_once:
            await world.look()
    await world.says("end", session=uuid4())
    await world.look()
    assert expected == world.admit(iat)
    for other in (str(uuid4()), None, 7):
        assert "aal2" == world.admit(iat, other)


async def test_the_latest_change_of_roles_counts(world: World) -> None:
    """TK8: in whichever order its lines are read."""
    for at in (AT, AT + 5 * SECOND, AT + 2 * SECOND):
        await world.says("stale", at)
    world.at = AT + 6 * SECOND
    await world.look()
    assert ["PGRST303", "aal2"] == [world.admit(AT + n * SECOND) for n in (5, 6)]


async def test_what_no_token_outlives_is_forgotten(world: World) -> None:
    """As long as there may be a token from before it; then the process keeps nothing of it."""
    await world.says("end")
    await world.look()
    assert "changed=1" in repr(world.trust)
    for more, kept in ((LONGEST, 1), (LONGEST + SECOND, 0)):
        world.at = AT + more
        await world.store.transact(bump_epoch)
        await world.look()
        assert f"changed={kept}" in repr(world.trust)


async def test_keys_are_read_where_something_changed(world: World) -> None:
    """TK7: and only then; also the API keys."""
    await world.look()
    assert (1, 1) == (len(world.keys), len(world.api_keys))
    await world.look()
    assert (1, 1) == (len(world.keys), len(world.api_keys))
    before = world.trust.keys.kid
    await world.store.transact(lambda tx: rotate_keys(tx, KEYRING, AT))
    await world.look()
    assert (2, 2, True) == (len(world.keys), len(world.api_keys), before != world.trust.keys.kid)


async def test_a_sign_out_changes_no_key(world: World) -> None:
    """TK5, TK7: every token that is remembered is verified again where the keys are others, and only there."""
    await world.look()
    await world.says("end")
    await world.look()
    assert ("PGRST301", 1, 2) == (world.admit(), len(world.keys), len(world.api_keys))
    await world.store.transact(lambda tx: rotate_keys(tx, KEYRING, AT))
    await world.look()
    old = next(row["kid"] for row in world.keys[0] if row["kid"] != world.trust.keys.kid)
    assert await world.store.transact(lambda tx: revoke_key(tx, old, AT))
    await world.look()
    assert [2, 3, 2] == [len(public) for public in world.keys]


@pytest.mark.parametrize(
    ("claim", "expected"), [(str(SESSION), SESSION), ("x", None), (7, None), (None, None), ([str(SESSION)], None)]
)
async def test_whose_session(claim: Any, expected: UUID | None) -> None:
    """Of a token of ours an id, of any other none."""
    claims = MappingProxyType({"session_id": claim})
    assert expected == session_of(Principal("authenticated", "1", claims=claims))
