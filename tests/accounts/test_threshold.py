"""S4, A3: a role more is a threshold.  What somebody with fewer rights has put into an account is worth nothing after it.

Sue has ``users:write`` and no role more; the operator gives Vic's account one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from backstay.auth.admin.first import appoint
from backstay.auth.oauth.provider import Provider
from backstay.auth.refusal import AuthError
from backstay.auth.route import AuthRequest
from backstay.auth.session import Device
from backstay.policy.principal import ANONYMOUS
from tests.accounts.authenticator import Authenticator
from tests.accounts.house import PASSWORD, House
from tests.accounts.staff import events, give, hire, lift, service
from tests.accounts.test_factors import challenge, claims, code, lifted
from tests.accounts.test_mails import follow, query_of
from tests.accounts.test_passkeys import register
from tests.accounts.test_passkeys import sign_in as sign_in_with
from tests.accounts.test_prehijack import arrive_by_provider

VIC, HERS = "vic@example.org", "a passphrase of the helper's"
SITE: dict[str, Any] = {"site_url": "https://app.example.org", "rate_limits": "off"}
pytestmark = pytest.mark.settings(**SITE)


@pytest.fixture
def staffed(house: House) -> House:
    """The app, whose helpers have ``users:write``."""
    accounts = house.office.accounts
    accounts.permissions.update({"support": frozenset({"users:read", "users:write"}), "editor": frozenset()})
    object.__setattr__(accounts, "roles", accounts.roles | {"editor"})
    return house


# -- how the account gets a role ---------------------------------------------------------------------------------------


#: What asks to drop whatever may be somebody else's.
EMPTY = "?empty=true"


def _asked(house: House, path: str, body: Any, who: Any) -> tuple[int, str]:
    reply = house.put(f"admin/users/{path}", body, as_=who)
    return reply.status, "" if reply.status == 200 else reply.json["code"]


def _assigned(house: House, id: str, query: str) -> tuple[int, str]:
    return _asked(house, f"{id}/roles/admin{query}", None, service(house))


def _main(house: House, id: str, query: str) -> tuple[int, str]:
    return _asked(house, f"{id}{query}", {"role": "editor"}, service(house))


def _appointed(house: House, id: str, query: str) -> tuple[int, str]:
    """By the command, which asks as a request does."""
    given = {"empty": "true"} if query else {}
    asked = AuthRequest("GET", {}, given, {}, None, ANONYMOUS, Device("", ""))
    try:
        house.run(appoint(asked, house.office.accounts, VIC))
    except AuthError as refusal:
        return refusal.status, refusal.code
    return 200, ""


def _by_an_admin(house: House, id: str, query: str) -> tuple[int, str]:
    return _asked(house, f"{id}/roles/editor{query}", None, hire(house, f"{uuid4().hex}@example.org"))


GAINS: dict[str, Callable[[House, str, str], tuple[int, str]]] = {
    "assigned": _assigned,
    "main role": _main,
    "create-admin": _appointed,
    "assigned by an administrator": _by_an_admin,
}


# -- how the helper has got in before ----------------------------------------------------------------------------------


def _made(house: House, sue: Any) -> dict[str, Any]:
    body = {"email": VIC, "password": HERS, "email_confirm": True}
    assert 200 == house.post("admin/users", body, as_=sue).status
    return house.sign_in(VIC, HERS)


def _linked(house: House, sue: Any) -> dict[str, Any]:
    """An account made by a link that she follows herself, and a password set in it."""
    made = house.post("admin/generate_link", {"type": "magiclink", "email": VIC}, as_=sue).json
    proof = {"type": made["verification_type"], "token_hash": made["hashed_token"]}
    told: dict[str, Any] = house.post("verify", proof).json
    assert 200 == house.put("user", {"password": HERS}, as_=told).status
    return told


def _owned(house: House) -> str:
    """Vic's own account, whose address is proved."""
    id: str = house.sign_up(VIC)["user"]["id"]
    house.prove(VIC)
    return id


def _password_set(house: House, sue: Any) -> dict[str, Any]:
    assert 200 == house.put(f"admin/users/{_owned(house)}", {"password": HERS}, as_=sue).status
    return house.sign_in(VIC, HERS)


def _recovered(house: House, sue: Any) -> dict[str, Any]:
    """A link to an account that is proved: she follows it, and sets a password as whoever has lost theirs."""
    _owned(house)
    made = house.post("admin/generate_link", {"type": "recovery", "email": VIC}, as_=sue).json
    told: dict[str, Any] = house.post("verify", {"type": "recovery", "token_hash": made["hashed_token"]}).json
    assert 200 == house.put("user", {"password": HERS}, as_=told).status
    return told


def _moved(house: House, sue: Any) -> dict[str, Any]:
    """An account of her own, whose address she makes Vic's."""
    id = house.sign_up("sue2@example.org", HERS)["user"]["id"]
    house.prove("sue2@example.org")
    assert 200 == house.put(f"admin/users/{id}", {"email": VIC, "email_confirm": True}, as_=sue).status
    return house.sign_in(VIC, HERS)


def _change_of_address(house: House, sue: Any) -> dict[str, Any]:
    """The same by links of a change of address, both of which she follows."""
    house.sign_up("sue2@example.org", HERS)
    house.prove("sue2@example.org")
    for side in ("email_change_current", "email_change_new"):
        body = {"type": side, "email": "sue2@example.org", "new_email": VIC}
        made = house.post("admin/generate_link", body, as_=sue).json
        proof = {"type": "email_change", "token_hash": made["hashed_token"]}
        assert 200 == house.post("verify", proof).status
    return house.sign_in(VIC, HERS)


ENTRIES: dict[str, Callable[[House, Any], dict[str, Any]]] = {
    "made with a password": _made,
    "made by a link": _linked,
    "password set": _password_set,
    "link made": _recovered,
    "address moved": _moved,
    "change of address": _change_of_address,
}


class Left:
    """What she leaves there: the session, its tokens, a passkey, a factor, codes, links, and what it has begun."""

    def __init__(self, house: House, sue: Any, first: dict[str, Any]) -> None:
        self.house, self.key = house, Authenticator(count=1)
        self.id = first["user"]["id"]
        assert 200 == register(house, first, self.key).status
        self.factor, self.session = lifted(house, sign_in_with(house, self.key).json)
        assert 200 == house.post("factors/recovery-codes", as_=self.session).status
        self.links = [
            house.post("admin/generate_link", {"type": kind, "email": VIC}, as_=sue).json["hashed_token"]
            for kind in ("magiclink", "recovery")
        ]
        assert 200 == house.put("user", {"email": "sue3@example.org"}, as_=self.session).status
        wanted = [letter for letter in house.letters("email_change") if letter.to == "sue3@example.org"]
        self.change = query_of(wanted[0].data["link"])["token"]
        self.challenge = challenge(house, self.session, self.factor["id"])
        self.begun = house.post("passkeys/registration/options", {}, as_=self.session).json
        house.letters()

    def worth(self) -> set[str]:
        """What of it is worth something now."""
        house, session = self.house, self.session
        about = house.get(f"admin/users/{self.id}", as_=service(house)).json
        factors = house.get(f"admin/users/{self.id}/factors", as_=service(house)).json
        proof = {"challenge_id": self.challenge, "code": code(house, self.factor["totp"]["secret"])}
        passkey = {
            "challenge_id": self.begun["challenge_id"],
            "credential": Authenticator().create(self.begun["options"]),
        }
        answers = {
            "password": house.post("token?grant_type=password", {"email": VIC, "password": HERS}),
            "passkey": sign_in_with(house, self.key),
            "access token": house.get("user", as_=session),
            "access token, data": house.rest("GET", "notices", as_=session),
            "new passkey": house.post("passkeys/registration/verify", passkey, as_=session),
            "factor": house.post(f"factors/{self.factor['id']}/verify", proof, as_=session),
            "magic link": house.post("verify", {"type": "magiclink", "token_hash": self.links[0]}),
            "recovery link": house.post("verify", {"type": "recovery", "token_hash": self.links[1]}),
            "change": house.post("verify", {"type": "email_change", "token_hash": self.change}),
            "refresh token": house.refresh(session["refresh_token"]),
        }
        left = {name for name, answer in answers.items() if answer.status < 300}
        return left | ({"factors"} if factors else set()) | ({"wish"} if "new_email" in about else set())


@pytest.mark.parametrize("gain", GAINS)
@pytest.mark.parametrize("entry", ENTRIES)
def test_nothing_of_a_helper_comes_over_the_threshold(staffed: House, entry: str, gain: str) -> None:
    """S4: whatever the way in, and whatever the way to the role, she has nothing of the account any more."""
    house = staffed
    sue = hire(house, "sue@example.org", "support")
    left = Left(house, sue, ENTRIES[entry](house, sue))
    house.clock.turn(seconds=2)
    assert (200, "") == GAINS[gain](house, left.id, EMPTY)
    assert set() == left.worth()
    (emptied,) = [row for row in events(house, "account_emptied") if row.details["method"] == "role"]
    assert {"password", "factors", "passkeys", "recovery_codes", "sessions"} <= set(emptied.details["fields"])
    assert [VIC] == [letter.to for letter in house.letters("account_emptied")]
    # Its owner comes by the mailbox, with the role.
    house.clock.turn(minutes=2)
    house.post("recover", {"email": VIC})
    told = follow(house, house.letters("recovery")[-1].data["link"])
    assert (left.id, "aal1") == (told["user"]["id"] if "user" in told else claims(told)["sub"], claims(told)["aal"])
    # And she has no way in again.
    again = house.post("admin/generate_link", {"type": "recovery", "email": VIC}, as_=sue)
    assert (403, "not_admin") == (again.status, again.json["code"])


@pytest.mark.parametrize("entry", ENTRIES)
def test_before_the_threshold_the_helper_is_at_home(staffed: House, entry: str) -> None:
    """S4: the test above would notice: without a role more those things are worth something."""
    sue = hire(staffed, "sue@example.org", "support")
    left = Left(staffed, sue, ENTRIES[entry](staffed, sue))
    assert {"password", "passkey", "access token", "new passkey", "factor", "factors", "wish"} <= left.worth()


@pytest.mark.parametrize("query", ["", "?empty=false", "?empty=", "?empty=1"])
@pytest.mark.parametrize("gain", GAINS)
def test_no_role_empties_an_account_unasked(staffed: House, gain: str, query: str) -> None:
    """S4, A3: where nobody has proved the address the role is refused, and nothing is lost: neither way is a surprise."""
    house, key = staffed, Authenticator(count=1)
    owner = house.sign_up(VIC, data={"name": "Vic"})
    assert 200 == register(house, owner, key).status
    id = owner["user"]["id"]
    before = house.get(f"admin/users/{id}", as_=service(house)).json
    if gain == "create-admin":
        # It takes no other words than those of the command.
        query = ""
    assert (409, "account_not_proved") == GAINS[gain](house, id, query)
    assert before == house.get(f"admin/users/{id}", as_=service(house)).json
    assert [] == house.get(f"admin/users/{id}/roles", as_=service(house)).json["roles"]
    assert [] == events(house, "account_emptied", "role_granted", "user_modified")
    assert [] == house.letters("account_emptied")
    assert 200 == house.get("user", as_=owner).status
    assert 200 == sign_in_with(house, key).status
    house.sign_in(VIC)
    # What the refusal says to do: the owner proves the address, and the role then costs them nothing.
    house.post("recover", {"email": VIC})
    told = follow(house, house.letters("recovery")[-1].data["link"])
    assert 200 == house.put("user", {"password": HERS}, as_=told).status
    assert (200, "") == GAINS[gain](house, id, query)
    assert id == house.sign_in(VIC, HERS)["user"]["id"]


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_helpers_way_in_is_told_before_it_is_closed(staffed: House, entry: str) -> None:
    """S4: the role is refused as long as she may be in the account, and its things are not dropped unasked."""
    house = staffed
    sue = hire(house, "sue@example.org", "support")
    left = Left(house, sue, ENTRIES[entry](house, sue))
    for gain in GAINS.values():
        assert (409, "account_not_proved") == gain(house, left.id, "")
    assert [] == events(house, "account_emptied")
    assert [] == house.get(f"admin/users/{left.id}/roles", as_=service(house)).json["roles"]
    assert {"password", "passkey", "access token", "factor"} <= left.worth()


@pytest.mark.parametrize("gain", GAINS)
def test_an_honest_owner_signs_in_again_with_what_they_have(staffed: House, gain: str) -> None:
    """S4: who has proved the address, and been helped by nobody, keeps password, passkeys and factors."""
    house, key = staffed, Authenticator(count=1)
    owner = house.sign_up(VIC)
    house.prove(VIC)
    assert 200 == register(house, owner, key).status
    factor, owner = lifted(house, sign_in_with(house, key).json)
    house.post("recover", {"email": VIC})
    link = house.letters("recovery")[-1].data["link"]
    house.clock.turn(seconds=2)
    assert (200, "") == GAINS[gain](house, owner["user"]["id"], "")
    assert 403 == house.get("user", as_=owner).status
    assert 400 == house.refresh(owner["refresh_token"]).status
    assert "otp_expired" == follow(house, link)["error_code"]
    assert 200 == sign_in_with(house, key).status
    again = house.sign_in(VIC)
    assert [] == events(house, "account_emptied")
    house.clock.turn(seconds=31)
    if gain == "main role":
        # The tests' app has no such role of tokens.
        return
    proof = {"challenge_id": challenge(house, again, factor["id"]), "code": code(house, factor["totp"]["secret"])}
    assert 200 == house.post(f"factors/{factor['id']}/verify", proof, as_=again).status


def test_what_the_operator_made_stays(staffed: House) -> None:
    """S4: who may do everything could enter the account later as well, so its word counts, and its password stays."""
    house = staffed
    boss = hire(house, "boss@example.org")
    for number, maker in enumerate((service(house), boss)):
        email = f"made{number}@example.org"
        made = house.post("admin/users", {"email": email, "password": PASSWORD, "email_confirm": True}, as_=maker).json
        assert 200 == house.put(f"admin/users/{made['id']}/roles/editor", as_=maker).status
        assert ["editor"] == claims(house.sign_in(email))["app_metadata"]["roles"]


def test_a_role_that_is_there_already_ends_nothing(staffed: House) -> None:
    """S4: giving it once more, as assigned or as the main role, is no threshold; nor is one that is taken."""
    house, key = staffed, service(staffed)
    owner = house.sign_up(VIC)
    house.prove(VIC)
    path = f"admin/users/{owner['user']['id']}"
    assert 200 == house.put(f"{path}/roles/editor", as_=key).status
    owner = house.sign_in(VIC)
    assert 200 == house.put(f"{path}/roles/editor", as_=key).status
    for role in ("editor", "editor", "authenticated"):
        assert 200 == house.put(path, {"role": role}, as_=key).status
    assert 200 == house.get("user", as_=owner).status
    assert 200 == house.delete(f"{path}/roles/editor", as_=key).status
    assert 200 == house.get("user", as_=owner).status


def test_who_gives_themselves_a_role_stays(staffed: House) -> None:
    """S4: it lies within their rights, so only their other sessions end, and nothing is dropped."""
    house = staffed
    boss = hire(house, "boss@example.org")
    other = house.sign_in("boss@example.org")
    assert 200 == house.put(f"admin/users/{boss['user']['id']}/roles/editor", as_=boss).status
    assert (200, 403) == (house.get("user", as_=boss).status, house.get("user", as_=other).status)
    assert 200 == house.post("token?grant_type=password", {"email": "boss@example.org", "password": PASSWORD}).status


def test_an_account_without_an_address_is_its_makers(staffed: House) -> None:
    """S4: an identity has made it, which nobody else has: it stays, and signs in again."""
    house, github = staffed, Provider("corp", "x", "y", issuer="https://id.example.org")
    told = arrive_by_provider(house, provider=github)
    assert "" == told["user"]["email"]
    assert 200 == house.put(f"admin/users/{told['user']['id']}/roles/editor", as_=service(house)).status
    assert 403 == house.get("user", as_=told).status
    again = arrive_by_provider(house, provider=github)
    assert (told["user"]["id"], ["editor"]) == (again["user"]["id"], claims(again)["app_metadata"]["roles"])


@pytest.mark.parametrize("arrival", ["recover", "provider", "sign-up"])
@pytest.mark.settings(**SITE, email_confirmation=True)
def test_a_helpers_word_is_no_proof(staffed: House, arrival: str) -> None:
    """A3: the first proof of the mailbox's owner drops what she has put there, the password she chose above all."""
    house = staffed
    sue = house.post("admin/users", {"email": "sue@example.org", "email_confirm": True}, as_=service(house)).json
    house.put(f"admin/users/{sue['id']}", {"password": PASSWORD}, as_=service(house))
    helper = house.sign_in("sue@example.org")
    give(house, helper, "support")
    body = {"email": VIC, "password": HERS, "email_confirm": arrival != "sign-up"}
    assert 200 == house.post("admin/users", body, as_=lift(house, helper)).status
    if arrival == "provider":
        told = arrive_by_provider(house)
    else:
        asked = {"recover": ("recover", {}), "sign-up": ("resend", {"type": "signup"})}[arrival]
        house.post(asked[0], {"email": VIC, **asked[1]})
        told = follow(house, house.letters()[-1].data["link"])
    assert UUID(claims(told)["sub"])
    assert 400 == house.post("token?grant_type=password", {"email": VIC, "password": HERS}).status
    # From now on it is the owner's.
    assert 200 == house.put("user", {"password": PASSWORD}, as_=told).status
    assert 200 == house.put(f"admin/users/{claims(told)['sub']}/roles/editor", as_=service(house)).status
    assert ["editor"] == claims(house.sign_in(VIC))["app_metadata"]["roles"]
