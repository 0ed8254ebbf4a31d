"""Codes and links are good once, for a while, for what they were sent for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from backstay.auth import otp
from backstay.auth.otp import CODE_LIFETIME, MAX_TRIES, OneTimeToken, Secret, Used
from backstay.db.store import Store
from backstay.sql.query import query

KEY = b"k" * 32
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MAIL = "ann@example.org"
SECOND = timedelta(seconds=1)


@query
def everything() -> Any:
    return sa.select(OneTimeToken)


async def issue(store: Store, user_id: UUID, **changes: Any) -> Secret:
    values: dict[str, Any] = {"user_id": user_id, "kind": "recovery", "address": MAIL, "now": NOW, **changes}
    return await store.transact(lambda transaction: otp.issue(transaction, KEY, **values))


async def use_code(store: Store, user_id: UUID, code: str, **changes: Any) -> Used | None:
    values: dict[str, Any] = {"kind": "recovery", "address": MAIL, "now": NOW, "key": KEY, **changes}
    return await store.transact(lambda transaction: otp.use_code(transaction, user_id=user_id, code=code, **values))


async def use_token(store: Store, token: str, **changes: Any) -> Used | None:
    values: dict[str, Any] = {"kind": "recovery", "now": NOW, "key": KEY, **changes}
    return await store.transact(lambda transaction: otp.use_token(transaction, token=token, **values))


def other(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


async def test_a_code_is_six_digits_and_a_token_256_bits(store: Store) -> None:
    """TH6: both are drawn anew each time."""
    secrets = [await issue(store, uuid4()) for _ in range(30)]
    assert all(len(secret.code) == 6 and secret.code.isdigit() and secret.code.isascii() for secret in secrets)
    assert {43} == {len(secret.token) for secret in secrets}
    assert 30 == len({secret.token for secret in secrets})
    assert len({secret.code for secret in secrets}) > 25


async def test_the_right_code_is_good_once(store: Store) -> None:
    """TH6: it says whom and what it was for."""
    id = uuid4()
    secret = await issue(store, id, redirect_to="https://app.example.org/")
    used = await use_code(store, id, secret.code)
    assert Used(id, "recovery", MAIL, "https://app.example.org/", None, NOW) == used
    assert None is await use_code(store, id, secret.code)
    assert None is await use_token(store, secret.token)


async def test_the_right_token_is_good_once(store: Store) -> None:
    """ID4: and takes the code with it."""
    id, flow = uuid4(), uuid4()
    secret = await issue(store, id, flow_state_id=flow)
    assert secret.token.startswith("pkce_")
    assert Used(id, "recovery", MAIL, None, flow, NOW) == await use_token(store, secret.token)
    assert None is await use_token(store, secret.token)
    assert None is await use_code(store, id, secret.code)


async def test_five_wrong_codes_and_the_right_one_is_dead(store: Store) -> None:
    """TH6: the fifth try may be right, the sixth may not; the link still works."""
    lucky, unlucky = uuid4(), uuid4()
    for id, wrong, expected in ((lucky, MAX_TRIES - 1, True), (unlucky, MAX_TRIES, False)):
        secret = await issue(store, id)
        for _ in range(wrong):
            assert None is await use_code(store, id, other(secret.code))
        assert expected == (await use_code(store, id, secret.code) is not None)
        assert expected == (await use_token(store, secret.token) is None)


@pytest.mark.parametrize("lifetime", [timedelta(hours=24), timedelta(minutes=5)])
async def test_a_code_lives_ten_minutes_at_most(store: Store, lifetime: timedelta) -> None:
    """TH6: also where its link lives for a day."""
    id, expiry = uuid4(), NOW + min(lifetime, CODE_LIFETIME)
    secret = await issue(store, id, lifetime=lifetime)
    assert None is await use_code(store, id, secret.code, now=expiry)
    assert None is not await use_code(store, id, secret.code, now=expiry - SECOND)
    secret = await issue(store, id, lifetime=lifetime)
    assert None is await use_token(store, secret.token, now=NOW + lifetime)
    assert None is not await use_token(store, secret.token, now=NOW + lifetime - SECOND)


async def test_only_the_newest_is_good(store: Store) -> None:
    """TH6: of one account and kind; tries begin anew with it."""
    id = uuid4()
    first = await issue(store, id)
    elsewhere = await issue(store, id, kind="reauthentication")
    for _ in range(MAX_TRIES):
        await use_code(store, id, other(first.code))
    second = await issue(store, id)
    assert None is await use_token(store, first.token)
    if first.code != second.code:
        assert None is await use_code(store, id, first.code)
    assert None is not await use_code(store, id, second.code)
    assert None is not await use_code(store, id, elsewhere.code, kind="reauthentication")


@pytest.mark.parametrize(
    "changes",
    [{"kind": "email_change"}, {"address": "bob@example.org"}, {"address": "Ann@example.org"}, {"key": b"o" * 32}],
    ids=["kind", "address", "case", "key"],
)
async def test_a_code_is_bound_to_what_it_was_sent_for(store: Store, changes: dict[str, Any]) -> None:
    """TH6: another kind, address or server key, and it is one of a million."""
    id = uuid4()
    secret = await issue(store, id)
    await issue(store, id, kind="email_change")
    assert None is await use_code(store, id, secret.code, **changes)
    assert None is not await use_code(store, id, secret.code)


async def test_a_code_is_bound_to_its_account(store: Store) -> None:
    """TH6: the same digits are nothing to somebody else, who has a code too."""
    ann, bob = uuid4(), uuid4()
    secret = await issue(store, ann)
    while (await issue(store, bob)).code == secret.code:
        pass  # pragma: no cover - one time in a million
    assert None is await use_code(store, bob, secret.code)
    assert None is await use_code(store, uuid4(), secret.code)
    assert None is not await use_code(store, ann, secret.code)


async def test_a_token_is_bound_to_its_kind_and_key(store: Store) -> None:
    """TH6: a link for one thing does not do another."""
    secret = await issue(store, uuid4())
    assert None is await use_token(store, secret.token, kind="invite")
    assert None is await use_token(store, secret.token, key=b"o" * 32)
    assert None is not await use_token(store, secret.token)


@pytest.mark.parametrize("odd", ["", "12345", "1234567", "१२३४५६", "\ud800", "\x00" * 6, "0" * 10_000])
async def test_odd_codes_and_tokens_are_wrong_and_no_crash(store: Store, odd: str) -> None:
    """TH6: whatever JSON can carry."""
    id = uuid4()
    await issue(store, id)
    assert None is await use_code(store, id, odd)
    assert None is await use_code(store, id, "123456", address=odd, kind="invite")
    assert None is await use_token(store, odd)


async def test_nothing_that_works_is_stored(store: Store) -> None:
    """TH6: the table has neither the token nor the code, nor a hash that could be made without the key."""
    id = uuid4()
    secret = await issue(store, id)
    row = (await store.all(everything()))[0]
    assert secret.token not in repr(row)
    assert secret.code not in repr((row.code_hash.hex(), row.token_hash.hex(), row.address, row.kind))
    assert (32, 32) == (len(row.code_hash), len(row.token_hash))
    assert row.token_hash != otp._token_hash(b"o" * 32, secret.token)
    assert secret.token not in repr(secret)


@pytest.mark.parametrize("by", ["code", "token"])
async def test_of_twenty_at_once_one_wins(store: Store, by: str) -> None:
    """T-RACE: ID4, TH6."""
    id = uuid4()
    secret = await issue(store, id)
    if by == "code":
        uses = [use_code(store, id, secret.code) for _ in range(20)]
    else:
        uses = [use_token(store, secret.token) for _ in range(20)]
    assert 1 == sum(used is not None for used in await asyncio.gather(*uses))


async def test_of_twenty_wrong_at_once_five_are_looked_at(store: Store) -> None:
    """T-RACE: guessing in parallel gives no more tries (TH6)."""
    id = uuid4()
    secret = await issue(store, id)
    await asyncio.gather(*(use_code(store, id, other(secret.code)) for _ in range(20)))
    assert [MAX_TRIES] == [row.tries for row in await store.all(everything())]
    assert None is await use_code(store, id, secret.code)


async def test_of_twenty_issued_at_once_one_is_good(store: Store) -> None:
    """T-RACE: there is one row, and the others' tokens are nothing."""
    id = uuid4()
    secrets = await asyncio.gather(*(issue(store, id) for _ in range(20)))
    assert 1 == len(await store.all(everything()))
    assert 1 == sum([await use_token(store, secret.token) is not None for secret in secrets])


async def test_all_of_an_account_is_discarded(store: Store) -> None:
    """PW8: of every kind, and of nobody else."""
    ann, bob = uuid4(), uuid4()
    hers = [await issue(store, ann), await issue(store, ann, kind="invite")]
    his = await issue(store, bob)
    await store.transact(lambda transaction: otp.discard_all(transaction, ann))
    assert [None, None] == [await use_token(store, hers[0].token), await use_token(store, hers[1].token, kind="invite")]
    assert None is not await use_token(store, his.token)


async def test_the_sweep_takes_what_expired(store: Store) -> None:
    """The table holds what can still be used."""
    await issue(store, uuid4(), lifetime=timedelta(minutes=1))
    stays = await issue(store, uuid4())
    await store.transact(lambda transaction: otp.sweep(transaction, now=NOW + timedelta(minutes=1)))
    assert 1 == len(await store.all(everything()))
    assert None is not await use_token(store, stays.token)
