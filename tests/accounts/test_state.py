"""T-STATE: whatever people do and whenever, a token is good exactly when the model says so."""

from __future__ import annotations

import json
import os
import random
from base64 import urlsafe_b64decode
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from backstay.auth.signing import revoke_key, rotate_keys
from tests.accounts.house import KEYRING, House
from tests.accounts.model import Access, Model, Person, Session
from tests.accounts.staff import service
from tests.accounts.test_mails import follow, query_of
from tests.accounts.test_prehijack import arrive_by_provider

#: Few on every run; ``BACKSTAY_EXAMPLES=500`` looks harder.
EXAMPLES = int(os.environ.get("BACKSTAY_EXAMPLES", "8"))
STEPS = 25
#: Another one on every run.
SEED = int(os.environ.get("BACKSTAY_SEED") or random.randrange(2**32))

#: How many of the newest access tokens are tried after every step.
TRIED = 8

_NAMES = count()

pick = st.integers(0, 10_000)


def kid_of(token: str) -> str:
    head = token.partition(".")[0]
    return str(json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"])


class Accounts(RuleBasedStateMachine):
    """People at work; `house` is put in by the test."""

    house: House

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.old_links: list[str] = []

    # -- what a rule works with ---------------------------------------------------------------------------------------

    def opened(self, person: Person, told: dict[str, Any]) -> None:
        """A sign-in has given a new session."""
        now = self.house.clock()
        session = Session(person, now, now, [told["refresh_token"]])
        self.model.sessions.append(session)
        self.given(session, told)

    def given(self, session: Session, told: dict[str, Any]) -> None:
        token = told["access_token"]
        self.model.tokens.append(Access(token, session, self.house.clock(), kid_of(token)))

    def person(self, number: int) -> Person:
        living = [person for person in self.model.people if not person.deleted]
        return living[number % len(living)]

    def good(self, number: int) -> Access | None:
        """One of the access tokens that are good."""
        now = self.house.clock()
        found = [access for access in self.model.tokens if self.model.accepts(access, now, roles=False)]
        return found[number % len(found)] if found else None

    # -- rules --------------------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.sign_up()

    @precondition(lambda self: len(self.model.people) < 3)
    @rule()
    def sign_up(self) -> None:
        number = next(_NAMES)
        person = Person(f"person{number}@example.org", f"the first passphrase of {number}")
        told = self.house.sign_up(person.email, person.password)
        person.id = told["user"]["id"]
        self.model.people.append(person)
        self.opened(person, told)

    @rule(number=pick)
    def sign_in(self, number: int) -> None:
        person = self.person(number)
        if person.banned:
            body = {"email": person.email, "password": person.password or "whatever it was"}
            refused = self.house.post("token?grant_type=password", body)
            expected = "invalid_credentials" if person.password is None else "user_banned"
            assert (400, expected) == (refused.status, refused.json["code"])
            return
        if person.password is None:
            body = {"email": person.email, "password": "whatever it was"}
            assert 400 == self.house.post("token?grant_type=password", body).status
            return
        self.opened(person, self.house.sign_in(person.email, person.password))

    @rule(number=pick, scope=st.sampled_from(["local", "others", "global"]))
    def sign_out(self, number: int, scope: str) -> None:
        access = self.good(number)
        if access is None:
            return
        assert 204 == self.house.post(f"logout?scope={scope}", as_=access.token).status
        if scope == "local":
            access.session.ended = True
        else:
            self.model.end(access.session.person, but=access.session if scope == "others" else None)

    @rule(number=pick, back=st.sampled_from([0, 0, 0, 0, 1, 1, 2, 4, 6]))
    def refresh(self, number: int, back: int) -> None:
        """With the newest token of a session, or an older one: *back* from the end of the chain."""
        session = self.model.sessions[number % len(self.model.sessions)]
        index = max(0, len(session.chain) - 1 - back)
        before = session.chain[index]
        expected = self.model.refresh(session, index, self.house.clock())
        reply = self.house.refresh(before)
        if reply.status != 200:
            assert expected == reply.json["code"]
            return
        told = reply.json
        if expected == "next":
            assert told["refresh_token"] not in session.chain
            session.chain.append(told["refresh_token"])
        else:
            assert expected == told["refresh_token"]
        self.given(session, told)

    @rule(
        seconds=st.sampled_from([1, 5, 11, 55, 70, 400, 2_000, 3_700, 200_000, 500_000, 700_000]),
        more=st.integers(0, 3),
    )
    def turn_the_clock(self, seconds: int, more: int) -> None:
        self.house.clock.turn(seconds=seconds + more)

    @rule(number=pick)
    def change_the_password(self, number: int) -> None:
        access = self.good(number)
        if access is None:
            return
        person = access.session.person
        new = f"passphrase number {next(_NAMES)} of somebody"
        body = {"password": new, "current_password": person.password}
        changed = self.house.put("user", body, as_=access.token)
        if person.password is None and not access.session.is_recent(self.house.clock()):
            assert (400, "reauthentication_needed") == (changed.status, changed.json["code"])
            return
        assert 200 == changed.status
        person.password = new
        self.model.end(person, but=access.session)

    @rule(number=pick)
    def recover(self, number: int) -> None:
        """By the newest link; every link before it is good for nothing."""
        person = self.person(number)
        self.house.post("recover", {"email": person.email})
        if person.banned:
            assert [] == self.house.letters("recovery")
            return
        (letter,) = self.house.letters("recovery")[-1:]
        self.model.prove(person)
        self.opened(person, follow(self.house, letter.data["link"]))
        self.old_links.append(letter.data["link"])

    @rule(number=pick)
    def come_by_a_provider(self, number: int) -> None:
        """Which is trusted, and has verified the address: a proof of it, and a way in from then on."""
        person = self.person(number)
        told = arrive_by_provider(self.house, email=person.email, subject=f"{person.id} there")
        if person.banned:
            assert "user_banned" == told.code
            return
        self.model.prove(person)
        self.opened(person, told)

    @rule(number=pick, ends=st.booleans())
    def change_the_address(self, number: int, ends: bool) -> None:
        """Both sides agree; where the session that asked has ended meanwhile, nothing comes of it."""
        access = self.good(number)
        if access is None:
            return
        person, new = access.session.person, f"moved{next(_NAMES)}@example.org"
        self.house.letters()
        assert 200 == self.house.put("user", {"email": new}, as_=access.token).status
        letters = self.house.letters("email_change")
        assert {person.email, new} == {letter.to for letter in letters}
        if ends:
            assert 204 == self.house.post("logout?scope=local", as_=access.token).status
            access.session.ended = True
        told = [follow(self.house, letter.data["link"]) for letter in letters]
        if ends:
            assert ["otp_expired"] * 2 == [one["error_code"] for one in told]
            return
        assert "message" in told[0]
        person.email, person.proved = new, True
        self.model.end(person)
        self.opened(person, told[1])

    @precondition(lambda self: self.old_links)
    @rule(number=pick)
    def follow_an_old_link(self, number: int) -> None:
        link = self.old_links[number % len(self.old_links)]
        assert "otp_expired" == follow(self.house, link)["error_code"]
        token = query_of(link)["token"]
        assert 403 == self.house.post("verify", {"type": "recovery", "token_hash": token}).status

    @rule(number=pick, role=st.sampled_from(["editor", "clerk"]))
    def change_roles(self, number: int, role: str) -> None:
        """One more is a threshold; of one less what tokens say is old now, and they are to be refreshed."""
        person = self.person(number)
        path = f"admin/users/{person.id}/roles/{role}"
        if role in person.roles:
            assert 200 == self.house.delete(path, as_=service(self.house)).status
            person.roles.remove(role)
            for session in self.model.sessions:
                if session.person is person:
                    session.stale = self.house.clock()
        else:
            given = self.house.put(path, as_=service(self.house))
            assert (200 if person.proved else 409) == given.status
            if not person.proved:
                assert 200 == self.house.put(f"{path}?empty=true", as_=service(self.house)).status
            person.roles.add(role)
            self.model.gain(person)

    @rule(number=pick)
    def ban_or_unban(self, number: int) -> None:
        person = self.person(number)
        person.banned = not person.banned
        body = {"ban_duration": "87600h" if person.banned else "none"}
        assert 200 == self.house.put(f"admin/users/{person.id}", body, as_=service(self.house)).status
        if person.banned:
            self.model.end(person)

    @precondition(lambda self: sum(not person.deleted for person in self.model.people) > 1)
    @rule(number=pick)
    def delete(self, number: int) -> None:
        person = self.person(number)
        assert 200 == self.house.delete(f"admin/users/{person.id}", {}, as_=service(self.house)).status
        person.deleted = True
        self.model.end(person)

    @rule()
    def rotate(self) -> None:
        now = self.house.clock()
        self.house.run(self.house.store.transact(lambda tx: rotate_keys(tx, KEYRING, now)))
        self.house.office.trust.expire()

    @rule(number=pick)
    def revoke_a_key(self, number: int) -> None:
        current = self.house.office.trust.keys.kid
        kids = sorted({access.kid for access in self.model.tokens} - {current})
        if not kids:
            return
        kid, now = kids[number % len(kids)], self.house.clock()
        self.house.run(self.house.store.transact(lambda tx: revoke_key(tx, kid, now)))
        self.house.office.trust.expire()
        self.model.revoked.add(kid)

    # -- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def tokens_are_good_when_the_model_says_so(self) -> None:
        """On ``/user`` and on the data plane alike."""
        now, house = self.house.clock(), self.house
        tried = [access for access in self.model.tokens[-TRIED:] if self.model.accepts(access, now) is not None]
        expected = [200 if self.model.accepts(access, now, roles=False) else 403 for access in tried]
        expected += [200 if self.model.accepts(access, now) else 401 for access in tried]

        async def ask() -> list[Any]:
            # One after the other on the first of the two: it must not depend on what the second has looked up.
            accounts = [await house.sending("GET", "user", as_=access.token) for access in tried]
            data = [await house.sending("GET", "secrets", as_=access.token, under="/rest/v1/") for access in tried]
            return accounts + data

        assert expected == [reply.status for reply in house.run(ask())]

    def teardown(self) -> None:
        """Every refresh token that was ever given out, the newest of each session first."""
        for session in self.model.sessions:
            for index in reversed(range(len(session.chain))):
                expected = self.model.refresh(session, index, self.house.clock())
                reply = self.house.refresh(session.chain[index])
                if expected == "next":
                    session.chain.append(reply.json["refresh_token"])
                elif expected.startswith(("refresh_", "session_")):
                    assert expected == reply.json["code"]
                else:
                    assert expected == reply.json["refresh_token"]


@pytest.mark.settings(rate_limits="off")
@pytest.mark.timeout(0 if EXAMPLES > 20 else 120)
def test_tokens_are_good_when_the_model_says_so(house: House) -> None:
    """T-STATE: sign-ups, sign-ins and sign-outs, refreshes and replays, passwords, links, roles, bans, keys, and time."""
    house.office.accounts.permissions["clerk"] = frozenset()
    machine = seed(SEED)(type("Machine", (Accounts,), {"house": house}))
    print(f"BACKSTAY_SEED={SEED}")  # shown where it fails: the same steps again
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink) if EXAMPLES > 20 else (Phase.generate,),
        ),
    )
