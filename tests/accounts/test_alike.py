"""TH5: nothing that anybody may ask tells an address with an account from one without."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.accounts.alike import CHANGING, KNOWN, PAIRS, UNKNOWN, Pair, recording, settle
from tests.accounts.house import COSTLY, House
from tests.auth.timing import assert_alike

ALIKE = pytest.mark.settings(email_confirmation=True, rate_limits="off", password_hash=COSTLY)

#: Whether to take as many samples as the requirement says, and of every pair: minutes, for a release.
FULL = os.environ.get("BACKSTAY_TIMING") == "full"
#: Samples of a pair otherwise, where a hash is computed and where none is.
FEW = {"sign-in": 12, "sign-up": 12, "recover": 40, "verify": 40}


@ALIKE
def test_the_database_is_asked_the_same(house: House) -> None:
    """TH5: as many statements of the same kinds about the same tables, in the same order; the deterministic half."""
    settle(house)
    told = {}
    for name, pair in PAIRS.items():
        known, unknown = pair.addresses()
        found = []
        for address in (known, unknown):
            with recording(house) as recorder:
                house.post(pair.path, pair.body_for(address()))
            found.append(recorder.asked)
        assert found[0], name
        if found[0] != found[1]:
            told[name] = found
    assert {} == told


@ALIKE
def test_the_answers_are_the_same(house: House) -> None:
    """TH5: status, headers and body, but for the address that was asked about and ids and moments that are new."""
    settle(house)
    for name, pair in PAIRS.items():
        known, unknown = pair.addresses()
        seen = []
        for address in (known, unknown):
            email = address()
            reply = house.post(pair.path, pair.body_for(email))
            seen.append((reply.status, [key for key, _ in reply.headers], _plain(reply.body.decode(), email)))
        assert seen[0] == seen[1], name


@pytest.mark.settings(email_confirmation=True, rate_limits="off", password_hash=COSTLY)
def test_a_wish_for_a_taken_address_looks_like_any(house: House) -> None:
    """TH5: whoever has signed in and wants another address learns nothing of it, not even in the own mailbox."""
    settle(house)
    session = house.sign_in(KNOWN)
    seen = []
    for wanted in (CHANGING, UNKNOWN):
        with recording(house) as recorder:
            reply = house.put("user", {"email": wanted}, as_=session)
        own = [letter.kind for letter in house.letters() if letter.to == KNOWN]
        seen.append((reply.status, reply.json["new_email"] == wanted, own, recorder.asked))
    assert seen[0] == seen[1]
    assert ["email_change"] == seen[0][2]


def _plain(body: str, email: str) -> str:
    """*body* without what is each request's own."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "id", body.replace(email, "address"))


@ALIKE
@pytest.mark.parametrize("name", [name for name in PAIRS if name in FEW or FULL])
@pytest.mark.timeout(900)
def test_it_takes_as_long(house: House, name: str) -> None:
    """TH5: medians of interleaved samples are less than 2 ms apart."""
    settle(house)
    pair = PAIRS[name]
    known, unknown = (_asking(house, pair, address) for address in pair.addresses())
    # Time of this process: hardly moved by a busy machine, and what PostgreSQL takes is in the statements above.
    clock = time.perf_counter if FULL else time.process_time
    seen = house.run(assert_alike(known, unknown, samples=300 if FULL else FEW[name], clock=clock))
    print(f"{house.kind} {name}: {seen}")


def _asking(house: House, pair: Pair, address: Callable[[], str]) -> Callable[[], Awaitable[Any]]:
    async def ask() -> None:
        await house.sending("POST", pair.path, pair.body_for(address()))

    return ask
