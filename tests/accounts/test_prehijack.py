"""A3: whoever reads the mail of an address finds nothing in its account that a stranger has put there before.

Without confirmation of addresses anybody may sign up with anybody's, and fill the account with ways back into it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from backstay.auth.apikey import ApiKey
from backstay.auth.oauth.linking import identify
from backstay.auth.oauth.person import Person
from backstay.auth.oauth.provider import Provider
from backstay.auth.refusal import AuthError
from backstay.auth.route import AuthRequest
from backstay.auth.session import Device, start_session
from backstay.auth.tables import Identity, User
from backstay.auth.user import add_identity
from backstay.policy.principal import ANONYMOUS
from backstay.sql.query import query
from tests.accounts.authenticator import Authenticator
from tests.accounts.house import PASSWORD, House
from tests.accounts.staff import events, service
from tests.accounts.test_factors import challenge, claims, code, lifted
from tests.accounts.test_mails import CHALLENGE, VERIFIER, follow
from tests.accounts.test_passkeys import register
from tests.accounts.test_passkeys import sign_in as sign_in_with

VIC = "vic@example.org"
SITE: dict[str, Any] = {"site_url": "https://app.example.org", "rate_limits": "off"}
pytestmark = pytest.mark.settings(**SITE)

#: The provider that is trusted, and asked by nobody here: what it has said is given.
CORP = Provider("corp", "backstay", "secret", issuer="https://id.example.org", trusted=True)


@query
def _user(email: str) -> Any:
    return sa.select(User).where(User.email == email)


@query
def _keys() -> Any:
    return sa.select(ApiKey)


def arrive_by_provider(
    house: House, *, email: str = VIC, subject: str = "vic-at-corp", verified: bool = True, provider: Provider = CORP
) -> Any:
    """Somebody comes from the third party: the session, or the refusal."""
    accounts, now = house.office.accounts, house.clock()
    asked = AuthRequest("GET", {}, {}, {}, None, ANONYMOUS, Device("192.0.2.8", "vic"))
    person = Person("corp", subject, email, verified, {"name": "Vic", "email": email, "email_verified": verified})

    async def run(tx: Any) -> Any:
        known = await identify(tx, accounts, asked, provider, person, now)
        if known.user_id is None:
            return known.refusal
        device = asked.device
        return await start_session(
            tx, accounts.options, user_id=known.user_id, method="oauth", provider="corp", device=device, now=now
        )

    opened = house.run(house.store.transact(run))
    accounts.posted()
    house.office.trust.expire()
    return opened if isinstance(opened, Exception) else house.run(accounts.session_json(opened))


def _recovery_link(house: House) -> Any:
    house.post("recover", {"email": VIC})
    return follow(house, house.letters("recovery")[-1].data["link"])


def _recovery_code(house: House) -> Any:
    house.post("recover", {"email": VIC})
    token = house.letters("recovery")[-1].data["code"]
    return house.post("verify", {"type": "recovery", "email": VIC, "token": token}).json


def _magic_link(house: House) -> Any:
    house.post("magiclink", {"email": VIC})
    return follow(house, house.letters("magic_link")[-1].data["link"])


def _otp(house: House) -> Any:
    house.post("otp", {"email": VIC})
    token = house.letters("magic_link")[-1].data["code"]
    return house.post("verify", {"type": "email", "email": VIC, "token": token}).json


def _pkce(house: House) -> Any:
    house.post("otp", {"email": VIC, "code_challenge": CHALLENGE, "code_challenge_method": "s256"})
    found = follow(house, house.letters("magic_link")[-1].data["link"])["code"]
    return house.post("token?grant_type=pkce", {"auth_code": found, "code_verifier": VERIFIER}).json


def _admin_link(house: House) -> Any:
    body = {"type": "recovery", "email": VIC}
    made = house.post("admin/generate_link", body, as_=service(house)).json
    return house.post("verify", {"type": "recovery", "token_hash": made["hashed_token"]}).json


ARRIVALS: dict[str, Callable[[House], Any]] = {
    "recovery link": _recovery_link,
    "recovery code": _recovery_code,
    "magic link": _magic_link,
    "OTP": _otp,
    "link with a challenge": _pkce,
    "link of an administrator": _admin_link,
    "trusted provider": arrive_by_provider,
}


class Stranger:
    """Who was there first, and everything that they have left in the account."""

    def __init__(self, house: House) -> None:
        self.house, self.key = house, Authenticator(count=1)
        first = house.sign_up(VIC, data={"name": "Mallory", "avatar_url": "https://evil.example.org/x"})
        self.id = first["user"]["id"]
        # Ways in of their own.
        assert 200 == register(house, first, self.key).status
        self.factor, self.session = lifted(house, sign_in_with(house, self.key).json)
        self.codes = house.post("factors/recovery-codes", as_=self.session).json["codes"]
        house.run(house.store.transact(self._identity))
        # Things that they have begun.
        assert 200 == house.put("user", {"email": "mallory@example.org"}, as_=self.session).status
        self.change = next(
            letter.data["link"] for letter in house.letters("email_change") if letter.to == "mallory@example.org"
        )
        assert 200 == house.get("reauthenticate", as_=self.session).status
        # A key that they have made, were they once an administrator.
        house.run(house.store.transact(self._api_key))
        self.begun = house.post("passkeys/registration/options", {}, as_=self.session).json
        self.challenge = challenge(house, self.session, self.factor["id"])
        house.letters()

    async def _identity(self, tx: Any) -> None:
        now = self.house.clock()
        await tx.run(add_identity(uuid4(), UUID(self.id), "corp", "mallory-at-corp", {}, None, now))

    async def _api_key(self, tx: Any) -> None:
        await tx.run(_add_key(uuid4(), uuid4().bytes, UUID(self.id), self.house.clock()))

    def residue(self) -> dict[str, bool]:
        """What of it is still worth something."""
        house = self.house
        by_password = house.post("token?grant_type=password", {"email": VIC, "password": PASSWORD})
        shown = house.get("user", as_=self.session)
        refreshed = house.refresh(self.session["refresh_token"])
        made = {
            "challenge_id": self.begun["challenge_id"],
            "credential": Authenticator().create(self.begun["options"]),
        }
        new_passkey = house.post("passkeys/registration/verify", made, as_=self.session)
        changed = follow(house, self.change)
        proof = {"challenge_id": self.challenge, "code": code(house, self.factor["totp"]["secret"])}
        stepped = house.post(f"factors/{self.factor['id']}/verify", proof, as_=self.session)
        after = stepped.json if stepped.status == 200 else self.session
        recovered = house.post("factors/recovery-codes/verify", {"code": self.codes[0]}, as_=after)
        identities = house.run(house.store.all(_identities(UUID(self.id))))
        (user,) = house.run(house.store.all(_user(VIC)))
        return {
            "password": 200 == by_password.status,
            "passkey": 200 == sign_in_with(house, self.key).status,
            "access token": 200 == shown.status,
            "refresh token": 200 == refreshed.status,
            "factor": 200 == stepped.status,
            "recovery codes": 200 == recovered.status,
            "identity": any(row.subject == "mallory-at-corp" for row in identities),
            "new passkey": 200 == new_passkey.status,
            "e-mail change": "error_code" not in changed,
            "wish": user.new_email is not None,
            "metadata": "Mallory" in json.dumps(user.user_metadata),
            "API key": any(row.revoked_at is None for row in house.run(house.store.all(_keys()))),
        }


@query
def _identities(user_id: UUID) -> Any:
    return sa.select(Identity).where(Identity.user_id == user_id)


@query
def _add_key(id: UUID, hash: bytes, user_id: UUID, now: datetime) -> Any:
    return sa.insert(ApiKey).values(
        id=id,
        name="mallory's",
        hint="sb_secret_xxxx",
        hash=hash,
        role="service_role",
        scopes=["read", "write"],
        created_by=user_id,
        created_at=now,
    )


@pytest.mark.parametrize("arrival", ARRIVALS)
def test_nothing_of_a_stranger_survives_the_first_proof(house: House, arrival: str) -> None:
    """A3, OA7: whatever way its reader comes, in one transaction, audited and told by mail."""
    stranger = Stranger(house)
    told = ARRIVALS[arrival](house)
    owner = house.get("user", as_=told).json
    assert (stranger.id, VIC) == (owner["id"], owner["email"])
    letters = [letter.kind for letter in house.letters()]
    assert 1 == letters.count("account_emptied")
    (event,) = events(house, "account_emptied")
    gone = {"password", "identities", "factors", "passkeys", "recovery_codes", "sessions", "api_keys", "user_metadata"}
    assert gone == set(event.details["fields"])
    assert [] == [name for name, left in stranger.residue().items() if left]
    assert "aal1" == claims(told)["aal"]
    # The owner stays, and what they add stays at the next proof.
    assert 200 == house.get("user", as_=told).status
    key = Authenticator(count=1)
    assert 200 == register(house, told, key).status
    house.clock.turn(minutes=2)
    assert 200 == house.get("user", as_=_recovery_link(house)).status
    assert 200 == sign_in_with(house, key).status
    assert 1 == len(events(house, "account_emptied"))


def test_before_any_proof_the_stranger_is_at_home(house: House) -> None:
    """A3: the test above would notice: each of those things is worth something until the owner comes."""
    left = Stranger(house).residue()
    assert set() == {name for name, there in left.items() if not there}


def test_a_provider_that_is_not_trusted_proves_nothing(house: House) -> None:
    """A3, OA6: nor does an address that a trusted one has not verified: nothing is dropped, and nobody let in."""
    stranger = house.sign_up(VIC)
    for refused, code_ in (
        (
            arrive_by_provider(house, provider=Provider("corp", "x", "y", issuer="https://id.example.org")),
            "email_exists",
        ),
        (arrive_by_provider(house, verified=False), "provider_email_needs_verification"),
    ):
        assert code_ == refused.code
    assert 200 == house.get("user", as_=stranger).status
    assert [] == events(house, "account_emptied")


def test_an_identity_that_proves_the_address_stays(house: House) -> None:
    """A3: an account that a trusted provider has made is proved from the start; what its owner added stays."""
    told = arrive_by_provider(house)
    key = Authenticator(count=1)
    assert 200 == register(house, told, key).status
    house.clock.turn(seconds=30)
    again = arrive_by_provider(house)
    assert (told["user"]["id"], 200) == (again["user"]["id"], sign_in_with(house, key).status)
    assert 200 == house.get("user", as_=told).status


def test_an_administrators_word_lets_sign_in_and_proves_nothing(house: House) -> None:
    """A3: confirming the address of an account that was there, and giving it another, are no proofs of a mailbox."""
    stranger = house.sign_up("mallory@example.org")
    house.prove("mallory@example.org")
    path = f"admin/users/{stranger['user']['id']}"
    assert 200 == house.put(path, {"email": VIC, "email_confirm": True}, as_=service(house)).status
    stranger = house.sign_in(VIC)
    assert 200 == house.get("user", as_=_recovery_link(house)).status
    assert 403 == house.get("user", as_=stranger).status
    assert 400 == house.post("token?grant_type=password", {"email": VIC, "password": PASSWORD}).status


def test_an_account_that_an_administrator_made_is_vouched_for(house: House) -> None:
    """A3: with ``email_confirm``, since nobody has had it before; without, the first proof counts."""
    for email, confirm in (("one@example.org", True), (VIC, None)):
        body = {"email": email, "password": PASSWORD, "email_confirm": confirm, "user_metadata": {"name": "Vic"}}
        assert 200 == house.post("admin/users", body, as_=service(house)).status
        session = house.sign_in(email)
        house.post("recover", {"email": email})
        assert 200 == house.get("user", as_=follow(house, house.letters("recovery")[-1].data["link"])).status
        stays = confirm is True
        assert (200 if stays else 403) == house.get("user", as_=session).status
        again = house.post("token?grant_type=password", {"email": email, "password": PASSWORD})
        assert (200 if stays else 400) == again.status


def test_an_account_that_becomes_an_administrator_is_emptied_first(house: House) -> None:
    """A3: `create-admin` for an address whose account nobody has proved gives no stranger the role."""
    from backstay.auth.admin.first import appoint

    stranger = house.sign_up(VIC)
    asked = AuthRequest("GET", {}, {}, {}, None, ANONYMOUS, Device("", ""))
    with pytest.raises(AuthError, match="account_not_proved"):
        house.run(appoint(asked, house.office.accounts, VIC))
    assert 200 == house.get("user", as_=stranger).status
    made = house.run(appoint(replace(asked, query={"empty": "true"}), house.office.accounts, VIC))
    assert 403 == house.get("user", as_=stranger).status
    assert 400 == house.post("token?grant_type=password", {"email": VIC, "password": PASSWORD}).status
    told = follow(house, made["link"])
    roles = house.get(f"admin/users/{stranger['user']['id']}/roles", as_=service(house)).json["roles"]
    assert ([200], ["admin"]) == ([house.get("user", as_=told).status], [row["role"] for row in roles])


@pytest.mark.settings(**SITE, email_confirmation=True)
def test_the_link_of_a_sign_up_leaves_its_own_password_alone(house: House) -> None:
    """A3: that mail was sent for that very password and those words; there is nothing else that could be there."""
    house.post("signup", {"email": VIC, "password": PASSWORD, "data": {"name": "Vic"}})
    owner = house.get("user", as_=follow(house, house.letter("confirmation").data["link"])).json
    assert "Vic" == owner["user_metadata"]["name"]
    assert (200, []) == (
        house.post("token?grant_type=password", {"email": VIC, "password": PASSWORD}).status,
        events(house, "account_emptied"),
    )


@pytest.mark.settings(**SITE, email_confirmation=True)
def test_an_invitation_says_what_its_administrator_wrote(house: House) -> None:
    """A3: neither a sign-up before it nor one after it puts words into it, or a password."""
    for before in (True, False):
        email = f"{before}@example.org".lower()
        planted = {"email": email, "password": PASSWORD, "data": {"name": "Mallory"}}
        if before:
            house.post("signup", planted)
        body = {"email": email, "data": {"name": "Vic"}}
        assert 200 == house.post("invite", body, as_=service(house)).status
        invited = house.letters("invite")[-1].data["link"]
        if not before:
            house.post("signup", planted)
        house.letters()
        told = follow(house, invited)
        assert "Vic" == house.get("user", as_=told).json["user_metadata"]["name"]
        assert 400 == house.post("token?grant_type=password", {"email": email, "password": PASSWORD}).status
        house.clock.turn(minutes=2)


def test_a_change_of_address_is_asked_for_by_whoever_has_the_account(house: House) -> None:
    """A3: its proof drops no factor and no password; it proves the new address, and sessions end as ever."""
    session = house.sign_up("old@example.org")
    house.prove("old@example.org")
    assert 200 == house.put("user", {"email": VIC}, as_=session).status
    for letter in house.letters("email_change"):
        told = follow(house, letter.data["link"])
    assert 200 == house.get("user", as_=told).status
    assert 403 == house.get("user", as_=session).status
    assert 200 == house.post("token?grant_type=password", {"email": VIC, "password": PASSWORD}).status
    arrive_by_provider(house)
    assert 200 == house.post("token?grant_type=password", {"email": VIC, "password": PASSWORD}).status


def test_the_newest_request_says_what_a_new_account_says_of_itself(house: House) -> None:
    """A3: also where a link makes the account: a stranger who asked for one first has put no words into it."""
    house.post("otp", {"email": VIC, "data": {"name": "Mallory"}})
    house.letters()
    house.clock.turn(minutes=2)
    house.post("otp", {"email": VIC, "data": {"colour": "blue"}})
    shown = house.get("user", as_=follow(house, house.letter("confirmation").data["link"])).json["user_metadata"]
    assert ("blue", True, False) == (shown["colour"], shown["email_verified"], "name" in shown)


#: What may be asked for beside a sign-up, and the letter or answer that brings its link.
ASKED: dict[str, Callable[[House], Any]] = {
    "recover": lambda house: house.post("recover", {"email": VIC}),
    "otp": lambda house: house.post("otp", {"email": VIC}),
    "otp without an account": lambda house: house.post("otp", {"email": VIC, "create_user": False}),
    "magiclink": lambda house: house.post("magiclink", {"email": VIC}),
    "invite": lambda house: house.post("invite", {"email": VIC, "data": {"name": "Vic"}}, as_=service(house)),
    "admin recovery": lambda house: house.post(
        "admin/generate_link", {"type": "recovery", "email": VIC}, as_=service(house)
    ),
    "admin magiclink": lambda house: house.post(
        "admin/generate_link", {"type": "magiclink", "email": VIC}, as_=service(house)
    ),
    "admin invite": lambda house: house.post(
        "admin/generate_link", {"type": "invite", "email": VIC}, as_=service(house)
    ),
}


def _asked_link(house: House, asked: str) -> str:
    """Ask, and take the link that came of it."""
    house.letters()
    reply = ASKED[asked](house)
    assert 200 == reply.status, reply.body
    if asked.startswith("admin"):
        return str(reply.json["action_link"])
    return str(house.letters()[-1].data["link"])


@pytest.mark.settings(**SITE, email_confirmation=True)
@pytest.mark.parametrize("resent", [False, True])
@pytest.mark.parametrize("newer", ASKED)
def test_another_link_ends_what_a_sign_up_may_leave(house: House, newer: str, resent: bool) -> None:
    """A3: the stranger's sign-up, and then its owner asks for something else: neither link makes the password good.

    Nor does the mail of the sign-up when it is sent once more after that.
    """
    planted = {"email": VIC, "password": PASSWORD, "data": {"name": "Mallory"}}
    assert 200 == house.post("signup", planted).status
    older = house.letters()[-1].data["link"]
    house.clock.turn(minutes=2)
    link = _asked_link(house, newer)
    assert "otp_expired" == follow(house, older)["error_code"]
    if resent:
        house.clock.turn(minutes=2)
        house.post("resend", {"type": "signup", "email": VIC})
        link = house.letters()[-1].data["link"]
    told = follow(house, link)
    shown = house.get("user", as_=told).json
    assert (VIC, "Mallory" in json.dumps(shown)) == (shown["email"], False)
    assert 400 == house.post("token?grant_type=password", {"email": VIC, "password": PASSWORD}).status


@pytest.mark.settings(**SITE, email_confirmation=True)
@pytest.mark.parametrize("older", ASKED)
def test_a_sign_up_that_comes_after_another_link_plants_nothing(house: House, older: str) -> None:
    """A3: the older link is followed after somebody else has signed up: their password is not good."""
    if "without" in older or older in ("recover", "admin recovery"):
        # Those are for accounts that are there.
        house.post("signup", {"email": VIC, "password": "the first passphrase of all"})
        house.clock.turn(minutes=2)
    link = _asked_link(house, older)
    house.clock.turn(minutes=2)
    house.post("signup", {"email": VIC, "password": PASSWORD, "data": {"name": "Mallory"}})
    newer = house.letters()[-1].data["link"]
    for followed in (link, newer):
        follow(house, followed)
        assert 400 == house.post("token?grant_type=password", {"email": VIC, "password": PASSWORD}).status


@pytest.mark.settings(**SITE, email_confirmation=True)
def test_a_sign_up_that_is_sent_again_is_the_same(house: House) -> None:
    """A3: nobody asked for anything else: the new link leaves the password that the sign-up has."""
    house.post("signup", {"email": VIC, "password": PASSWORD})
    older = house.letters()[-1].data["link"]
    house.clock.turn(minutes=2)
    house.post("resend", {"type": "signup", "email": VIC})
    link = house.letters()[-1].data["link"]
    assert "otp_expired" == follow(house, older)["error_code"]
    assert VIC == house.get("user", as_=follow(house, link)).json["email"]
    assert 200 == house.post("token?grant_type=password", {"email": VIC, "password": PASSWORD}).status


def test_asking_for_a_link_takes_nothing_from_an_account_that_signs_in(house: House) -> None:
    """A3: where addresses are not confirmed, anybody may ask: the password stays until the link is followed."""
    session = house.sign_up(VIC)
    for asked in ("recover", "otp", "otp without an account", "admin recovery"):
        _asked_link(house, asked)
        house.clock.turn(minutes=2)
    assert (200, 200) == (
        house.get("user", as_=session).status,
        house.post("token?grant_type=password", {"email": VIC, "password": PASSWORD}).status,
    )
