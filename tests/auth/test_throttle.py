"""Counters hold under concurrency, say nothing about accounts, and lock nobody out of a place that is known."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from backstay.adapters.load import open_database, sql_dialect
from backstay.auth import throttle as throttles
from backstay.auth.limits import LIMITS, MAILS, Limit, RateLimits, parse_limits
from backstay.auth.throttle import FREE_FAILURES, LOCKS, MAX_FAILURES, Attempt, Counter, Refusal, Throttle
from backstay.db.own import Own
from backstay.db.store import Store
from backstay.errors import BackstayError
from backstay.proxies import UNKNOWN
from backstay.sql.query import query

KEY = b"t" * 32
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ANN = "ann@example.org"
HOME, AWAY, EVIL = "192.0.2.1", "192.0.2.2", "203.0.113.9"

#: Names only: the address does not get in the way.
NAMES = Throttle(KEY, RateLimits({}))


@query
def counters() -> Any:
    return sa.select(Counter).order_by(Counter.expires)


async def fails(throttle: Throttle, store: Store, **changes: Any) -> Attempt:
    """Try and fail."""
    return await throttle.attempt(store, **{"now": NOW, "ip": EVIL, "identifier": ANN, **changes})


async def signs_in(throttle: Throttle, store: Store, **changes: Any) -> Attempt:
    attempt = await fails(throttle, store, **changes)
    await store.transact(lambda transaction: throttle.succeeded(transaction, attempt, now=changes.get("now", NOW)))
    return attempt


async def refused(throttle: Throttle, store: Store, **changes: Any) -> BackstayError:
    with pytest.raises(BackstayError) as refusal:
        await fails(throttle, store, **changes)
    return refusal.value


def wait_of(error: BackstayError) -> int:
    return int(dict(error.headers)["Retry-After"])


# -- buckets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LIMITS)
async def test_each_limit_holds_and_refills(store: Store, name: str) -> None:
    """TH1, TH4: so many at once, then 429 with the seconds after which one more is let through."""
    throttle, limit = Throttle(KEY), LIMITS[name]
    for _ in range(limit.count):
        await throttle.guard(store, name, now=NOW, ip=EVIL, identifier=ANN)
    with pytest.raises(BackstayError) as refusal:
        await throttle.guard(store, name, now=NOW, ip=EVIL, identifier=ANN)
    error = refusal.value
    assert (limit.code, 429, -(-limit.seconds // limit.count)) == (error.code, error.status, wait_of(error))
    later = NOW + timedelta(seconds=wait_of(error))
    with pytest.raises(BackstayError):
        await throttle.guard(
            store,
            name,
            now=NOW + timedelta(seconds=limit.seconds / limit.count) - timedelta(milliseconds=1),
            ip=EVIL,
            identifier=ANN,
        )
    await throttle.guard(store, name, now=later, ip=EVIL, identifier=ANN)


async def test_the_numbers_are_those_promised() -> None:
    """TH2: 10 failures a minute for an address; a place has a share of the mails that the project may send."""
    assert Limit(10, 60, "ip", "over_request_rate_limit") == LIMITS["signin"]
    assert (150, 300) == (LIMITS["refresh"].count, LIMITS["refresh"].seconds)
    assert (1000, 3600, "project", "over_email_send_rate_limit") == (
        LIMITS["mail"].count,
        LIMITS["mail"].seconds,
        LIMITS["mail"].scope,
        LIMITS["mail"].code,
    )
    assert (1, 60, "identifier") == (
        LIMITS["mail_address"].count,
        LIMITS["mail_address"].seconds,
        LIMITS["mail_address"].scope,
    )


@pytest.mark.parametrize("count", [1, 7, 30])
async def test_a_hundred_at_once_never_exceed_the_limit(store: Store, count: int) -> None:
    """TH1, T-RACE: exactly so many are let through, whichever they are, and the refusals have counted nothing."""
    throttle = Throttle(KEY, RateLimits({"verify": Limit(count, 60, "ip")}))

    async def one() -> bool:
        return await store.transact(lambda transaction: throttle.spend(transaction, "verify", now=NOW, ip=EVIL)) is None

    assert count == sum(await asyncio.gather(*(one() for _ in range(100))))
    full = NOW + timedelta(seconds=60)
    assert [int(full.timestamp()) * 1_000_000] == pytest.approx(
        [row.until for row in await store.all(counters())], abs=60
    )


async def test_counters_are_apart(store: Store) -> None:
    """TH1: by limit, and by address or name; the project has one."""
    limits = {
        "a": Limit(1, 60, "ip"),
        "b": Limit(1, 60, "ip"),
        "c": Limit(1, 60, "identifier"),
        "d": Limit(1, 60, "project"),
    }
    throttle = Throttle(KEY, RateLimits(limits))

    async def free(*names: str, ip: str, identifier: str) -> bool:
        outcome = await store.transact(
            lambda transaction: throttle.spend(transaction, *names, now=NOW, ip=ip, identifier=identifier)
        )
        return outcome is None

    assert [True, False, True, True] == [
        await free("a", ip=HOME, identifier="x"),
        await free("a", ip=HOME, identifier="y"),
        await free("b", ip=HOME, identifier="x"),
        await free("a", ip=AWAY, identifier="x"),
    ]
    assert [True, False, True] == [
        await free("c", ip=HOME, identifier="Ann@Example.org"),
        await free("c", ip=AWAY, identifier=" ann@example.ORG"),
        await free("c", ip=HOME, identifier="bob@example.org"),
    ]
    assert [True, False] == [await free("d", ip=HOME, identifier="x"), await free("d", ip=AWAY, identifier="y")]


async def test_a_limit_that_refuses_keeps_those_after_it_whole(store: Store) -> None:
    """TH4: who asks for mail to one address over and over does not use up the mails of everybody."""
    tight = {"mail_address": LIMITS["mail_address"], "mail": Limit(30, 3600, "project", MAILS)}
    throttle = Throttle(KEY, RateLimits(tight))
    names = ("mail_address", "mail")
    for n in range(50):
        outcome = await store.transact(lambda transaction: throttle.spend(transaction, *names, now=NOW, identifier=ANN))
        assert (n == 0) == (outcome is None)
    for n in range(29):
        await throttle.guard(store, *names, now=NOW, identifier=f"{n}@example.org")
    with pytest.raises(BackstayError):
        await throttle.guard(store, *names, now=NOW, identifier="last@example.org")


async def test_the_unknown_share_one_bucket(store: Store) -> None:
    """TH7: a caller without an address is counted, not let through."""
    throttle = Throttle(KEY, RateLimits({"verify": Limit(2, 60, "ip")}))
    await throttle.guard(store, "verify", now=NOW)
    await throttle.guard(store, "verify", now=NOW, ip=UNKNOWN)
    with pytest.raises(BackstayError):
        await throttle.guard(store, "verify", now=NOW)


async def test_counters_survive_a_restart(tmp_path: Path) -> None:
    """TH1: another process over the same file goes on counting."""
    for expected in (None, Refusal("over_request_rate_limit", 60)):
        database = open_database(f"sqlite:///{tmp_path / 'a.db'}")
        await database.open()
        try:
            await database.create_tables(Own.metadata)
            store = Store(database, sql_dialect(database.name).compiler)
            throttle = Throttle(KEY, RateLimits({"verify": Limit(1, 60, "ip")}))
            outcome = await store.transact(lambda it, by=throttle: by.spend(it, "verify", now=NOW, ip=EVIL))
            assert expected == outcome
        finally:
            await database.close()


# -- names ------------------------------------------------------------------------------------------------------------


async def test_five_failures_then_longer_and_longer(store: Store) -> None:
    """TH2: 5 within 5 minutes, then a lock that doubles up to an hour."""
    at = NOW
    for _ in range(FREE_FAILURES):
        await fails(NAMES, store, now=at)
    for n in range(8):
        lock = LOCKS[min(n, len(LOCKS) - 1)]
        assert lock.seconds == wait_of(await refused(NAMES, store, now=at))
        assert 1 == wait_of(await refused(NAMES, store, now=at + lock - SECOND))
        at += lock
        await fails(NAMES, store, now=at)


async def test_a_lock_is_the_same_for_names_that_are_no_account(store: Store) -> None:
    """TH4: refusals of known and unknown accounts are equal, and so is when they come."""
    await signs_in(NAMES, store, ip=HOME)
    answers: list[list[Any]] = []
    for name in (ANN, "nobody@example.org"):
        answers.append([])
        for n in range(8):
            try:
                await fails(NAMES, store, identifier=name, now=NOW + n * SECOND)
                answers[-1].append("let through")
            except BackstayError as error:
                answers[-1].append((error.code, error.status, error.message, error.hint, error.headers))
    assert answers[0] == answers[1]
    assert "let through" == answers[0][4] != answers[0][5]


async def test_a_hundred_guesses_at_once_are_five(store: Store) -> None:
    """TH1, TH2, T-RACE: guessing in parallel, from many places, gives no more tries."""

    async def one(n: int) -> bool:
        try:
            await fails(NAMES, store, ip=f"203.0.113.{n}")
        except BackstayError:
            return False
        return True

    assert FREE_FAILURES == sum(await asyncio.gather(*(one(n) for n in range(100))))


async def test_a_hundred_guesses_at_once_from_a_known_place_are_five(store: Store) -> None:
    """TH1, TH2, T-RACE: its own counter is as strict."""
    await signs_in(NAMES, store, ip=HOME)

    async def one() -> bool:
        try:
            return (await fails(NAMES, store, ip=HOME)).known
        except BackstayError:
            return False

    assert FREE_FAILURES == sum(await asyncio.gather(*(one() for _ in range(100))))


async def test_nowhere_is_no_known_place(store: Store) -> None:
    """TH7: where addresses are not known, a sign-in makes no place that an attacker shares."""
    await signs_in(NAMES, store, ip=UNKNOWN)
    assert not (await fails(NAMES, store, ip=UNKNOWN)).known


async def test_a_hundred_failures_in_a_row_need_a_mail(store: Store) -> None:
    """TH2: however slowly they come; then the owner resets the password, and begins anew."""
    at = NOW
    for _ in range(MAX_FAILURES):
        await fails(NAMES, store, now=at)
        at += timedelta(hours=2)
    error = await refused(NAMES, store, now=at + timedelta(days=30))
    assert ("over_request_rate_limit", 3600) == (error.code, wait_of(error))
    await store.transact(lambda transaction: NAMES.recovered(transaction, "ANN@example.org"))
    await signs_in(NAMES, store, now=at)


async def test_success_ends_the_row(store: Store) -> None:
    """TH2: only consecutive failures lock."""
    for n in range(5):
        for _ in range(FREE_FAILURES - 1):
            await fails(NAMES, store, ip=f"198.51.100.{n}")
        await signs_in(NAMES, store, ip=f"198.51.100.{n}")


async def test_an_attacker_does_not_lock_a_known_place(store: Store) -> None:
    """TH2: the owner signs in from home whatever happens elsewhere, and does not help the attacker by it."""
    await signs_in(NAMES, store, ip=HOME)
    for _ in range(FREE_FAILURES):
        await fails(NAMES, store, ip=EVIL)
    await refused(NAMES, store, ip=EVIL)
    assert (await signs_in(NAMES, store, ip=HOME)).known
    # Neither the attacker nor a new place of the owner: it is not known yet.
    await refused(NAMES, store, ip=EVIL)
    await refused(NAMES, store, ip=AWAY)
    assert (await signs_in(NAMES, store, ip=HOME)).known


async def test_a_known_place_has_a_lock_of_its_own(store: Store) -> None:
    """TH2: what is tried from there is counted there, and does not lock other places."""
    await signs_in(NAMES, store, ip=HOME)
    for _ in range(FREE_FAILURES):
        assert (await fails(NAMES, store, ip=HOME)).known
    assert LOCKS[0].seconds == wait_of(await refused(NAMES, store, ip=HOME))
    assert not (await signs_in(NAMES, store, ip=AWAY)).known
    assert (await signs_in(NAMES, store, ip=HOME, now=NOW + LOCKS[0])).known


async def test_a_place_is_forgotten(store: Store) -> None:
    """A place from which nobody signed in for long is one like any other."""
    await signs_in(NAMES, store, ip=HOME)
    assert (await fails(NAMES, store, ip=HOME, now=NOW + throttles.KNOWN_FOR - SECOND)).known
    assert not (await fails(NAMES, store, ip=HOME, now=NOW + throttles.KNOWN_FOR)).known


async def test_old_failures_are_forgotten(store: Store) -> None:
    """A few failures do not count for ever, also before the sweep has come."""
    for _ in range(FREE_FAILURES - 1):
        await fails(NAMES, store)
    later = NOW + throttles.FEW_KEPT_FOR
    for _ in range(FREE_FAILURES):
        await fails(NAMES, store, now=later)
    await refused(NAMES, store, now=later)


async def test_success_clears_no_failures_of_its_address(store: Store) -> None:
    """TH3: an attacker with an account of their own gets no more tries by signing in to it."""
    throttle = Throttle(KEY)
    for n in range(9):
        await fails(throttle, store, identifier=f"victim{n}")
    for _ in range(3):
        await signs_in(throttle, store, identifier="attacker")
    await fails(throttle, store, identifier="victim9")
    assert 429 == (await refused(throttle, store, identifier="victim10")).status
    assert 429 == (await refused(throttle, store, identifier="attacker")).status


async def test_success_takes_back_its_own_count(store: Store) -> None:
    """TH2: ten *failures* a minute: a class that signs in together from one address is let through."""
    throttle = Throttle(KEY)
    for n in range(50):
        await signs_in(throttle, store, identifier=f"pupil{n}")


async def test_a_slow_success_takes_back_nothing_of_others(store: Store) -> None:
    """TH3: what ran out of the bucket meanwhile is not taken back twice."""
    throttle = Throttle(KEY)
    late = NOW + timedelta(seconds=60)
    mine = await fails(throttle, store, identifier="attacker")
    for n in range(10):
        await fails(throttle, store, identifier=f"victim{n}", now=late)
    await store.transact(lambda transaction: throttle.succeeded(transaction, mine, now=late))
    await refused(throttle, store, identifier="victim10", now=late)


async def test_purposes_are_apart(store: Store) -> None:
    """MF: wrong codes of a factor do not lock the password."""
    for _ in range(FREE_FAILURES):
        await fails(NAMES, store, purpose="factor", limit="factor")
    await refused(NAMES, store, purpose="factor", limit="factor")
    await fails(NAMES, store)


# -- the table --------------------------------------------------------------------------------------------------------


async def test_the_table_tells_neither_names_nor_addresses(store: Store) -> None:
    """TH1: a key is a hash that nobody makes without the server's."""
    await signs_in(Throttle(KEY), store)
    keys = [row.key for row in await store.all(counters())]
    assert {32} == {len(key) for key in keys}
    await signs_in(Throttle(b"o" * 32), store)
    assert 2 * len(keys) == len(await store.all(counters()))


@pytest.mark.parametrize("odd", ["", "\ud800", "\x00", "é" * 60_000, "a\x00b"])
async def test_odd_names_are_counted_and_no_crash(store: Store, odd: str) -> None:
    """Whatever JSON can carry."""
    for _ in range(FREE_FAILURES):
        await fails(NAMES, store, identifier=odd)
    await refused(NAMES, store, identifier=odd)


async def test_the_sweep_bounds_the_table(store: Store) -> None:
    """TH1: what says nothing any more goes, and beyond the bound what would go first; locks are kept longest."""
    throttle = Throttle(KEY)
    for _ in range(FREE_FAILURES):
        await fails(throttle, store)
    for n in range(10):
        await fails(throttle, store, identifier=f"{n}", ip=f"198.51.100.{n}")
    assert 22 == len(await store.all(counters()))
    await store.transact(lambda transaction: throttle.sweep(transaction, now=NOW))
    assert 22 == len(await store.all(counters()))
    await store.transact(lambda transaction: throttle.sweep(transaction, now=NOW + timedelta(minutes=1)))
    assert 11 == len(await store.all(counters()))
    await store.transact(lambda transaction: throttle.sweep(transaction, now=NOW, max_rows=1))
    assert 1 == len(await store.all(counters()))
    await refused(throttle, store, ip=AWAY)


# -- settings ---------------------------------------------------------------------------------------------------------


async def test_off_is_off(store: Store) -> None:
    """For tests and a desk: nothing is counted."""
    throttle = Throttle(KEY, parse_limits("off"))
    for _ in range(40):
        await throttle.guard(store, "mail", "signup", now=NOW, ip=EVIL, identifier=ANN)
        await signs_in(throttle, store)
        await fails(throttle, store)
    assert [] == await store.all(counters())


def test_an_operator_changes_what_needs_to_change() -> None:
    """The rest stays as it is."""
    rates = parse_limits('{"mail": "500/3600", "anonymous": "off"}')
    assert Limit(500, 3600, "project", "over_email_send_rate_limit") == rates.limits["mail"]
    assert set(LIMITS) - {"anonymous"} == set(rates.limits)
    assert LIMITS["signin"] == rates.limits["signin"]
    assert (True, False) == (rates.locks, rates.off)
    unlocked = parse_limits('{"account": "off", "mail": "7/60"}')
    assert (False, False, 7) == (unlocked.locks, unlocked.off, unlocked.limits["mail"].count)
    assert not RateLimits({}).off
    assert 6_000_000 == LIMITS["signin"].step_micros
    assert 1 == parse_limits('{"refresh": "9999999/1"}').limits["refresh"].step_micros
    assert parse_limits(" off ").off


@pytest.mark.parametrize(
    "text",
    [
        "",
        "on",
        "10",
        "[]",
        '{"mails": "1/1"}',
        '{"mail": 30}',
        '{"mail": "0/60"}',
        '{"mail": "30"}',
        '{"mail": "-1/60"}',
        '{"mail": "30/0"}',
        '{"mail": "30/60 "}',
        '{"account": "5/300"}',
        '{"mail": null}',
        "[" * 100_000,
    ],
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    """A typing error does not leave a default in force."""
    with pytest.raises(ValueError, match=r".+"):
        parse_limits(text)
