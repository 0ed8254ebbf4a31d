"""Numbers that are promised, stated once, and not as the module under test has them; and what lies between them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backstay.auth import challenge, factor, flow, otp, throttle, trust
from backstay.auth.admin import first
from backstay.auth.authenticator import MAX_PASSKEYS
from backstay.auth.limits import LIMITS
from backstay.auth.oauth import state
from backstay.auth.options import AuthOptions
from backstay.auth.postage import INVITE_LIFETIME
from backstay.auth.throttle import Throttle
from backstay.db.store import Store
from backstay.errors import BackstayError
from tests.auth.test_throttle import ANN, EVIL, KEY, NAMES, NOW, fails, refused, wait_of

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def test_how_long_and_how_often() -> None:
    """TH2, TH6, TK1, MF3, OA1: as the reference and the requirements say."""
    assert (5, 10 * MINUTE, 6) == (otp.MAX_TRIES, otp.CODE_LIFETIME, otp.CODE_DIGITS)
    assert (5, 100) == (throttle.FREE_FAILURES, throttle.MAX_FAILURES)
    assert tuple(minutes * MINUTE for minutes in (5, 10, 20, 40, 60)) == throttle.LOCKS
    assert (90 * DAY, 7 * DAY, 365 * DAY) == (throttle.KNOWN_FOR, throttle.FEW_KEPT_FOR, throttle.MANY_KEPT_FOR)
    assert 1.0 > trust.FRESH_SECONDS > 0.5
    assert (5 * MINUTE, HOUR) == (flow.CODE_LIFETIME, flow.LIFETIME)
    assert (5 * MINUTE, MINUTE) == (state.LIFETIME, state.TICKET_LIFETIME)
    assert (5 * MINUTE, HOUR) == (challenge.LIFETIME, factor.ENROLMENT)
    assert (10, 10) == (factor.MAX_FACTORS, MAX_PASSKEYS)
    assert (DAY, 15 * MINUTE) == (INVITE_LIFETIME, first.LIFETIME)
    options = AuthOptions(public_url="https://x.example.org", site_url="https://x.example.org", site_name="x")
    assert (10, 7 * DAY, 30 * DAY, 5 * MINUTE) == (
        options.reuse_seconds,
        options.session_idle,
        options.session_lifetime,
        options.recent,
    )


@pytest.mark.parametrize("name", ["signin", "refresh", "mail_address"])
async def test_a_bucket_says_what_is_left_of_the_wait(store: Store, name: str) -> None:
    """TH4: in the middle of the wait half of it is told, rounded up, and then one more is let through."""
    limited, limit = Throttle(KEY), LIMITS[name]
    for _ in range(limit.count):
        await limited.guard(store, name, now=NOW, ip=EVIL, identifier=ANN)
    step = timedelta(seconds=limit.seconds / limit.count)
    for part in (0.25, 0.5, 0.75):
        with pytest.raises(BackstayError) as refusal:
            await limited.guard(store, name, now=NOW + step * part, ip=EVIL, identifier=ANN)
        left = step * (1 - part)
        assert -(-left // timedelta(seconds=1)) == wait_of(refusal.value)
    await limited.guard(store, name, now=NOW + step, ip=EVIL, identifier=ANN)


async def test_a_lock_says_what_is_left_of_it(store: Store) -> None:
    """TH2: two minutes into five there are three left; at its very end one more try is free."""
    for _ in range(5):
        await fails(NAMES, store)
    assert 180 == wait_of(await refused(NAMES, store, now=NOW + 2 * MINUTE))
    assert 1 == wait_of(await refused(NAMES, store, now=NOW + 5 * MINUTE - timedelta(milliseconds=1)))
    await fails(NAMES, store, now=NOW + 5 * MINUTE)


async def test_the_hundredth_failure_is_the_last_that_is_looked_at(store: Store) -> None:
    """TH2: the hundredth try is let through, and nothing after it, however late."""
    at = NOW
    for _ in range(99):
        await fails(NAMES, store, now=at)
        at += timedelta(hours=2)
    await fails(NAMES, store, now=at)
    for later in (HOUR, 3 * HOUR, 30 * DAY):
        assert 3600 == wait_of(await refused(NAMES, store, now=at + later))
