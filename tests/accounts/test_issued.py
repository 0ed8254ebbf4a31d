"""One table: what was issued before something happened, and used after it (A3 to A6, TK4, PW8).

Each cell is one test on each database.  ``docs/reference/accounts.md`` shows the same table, and a test compares them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import pytest
import sqlalchemy as sa

from backstay.auth.flow import begin_flow, prove_flow
from backstay.auth.oauth.linking import LINK
from backstay.auth.oauth.person import Person
from backstay.auth.oauth.state import Wish, begin, cookie_line
from backstay.auth.session import sessions_of
from backstay.auth.tables import Session, User
from backstay.sql.query import query
from tests.accounts.authenticator import Authenticator
from tests.accounts.house import House
from tests.accounts.staff import service
from tests.accounts.test_factors import challenge, claims, code, lifted
from tests.accounts.test_mails import CHALLENGE, VERIFIER, follow, query_of
from tests.accounts.test_ways import PARTY

ANN: Final = "ann@example.org"
NEW: Final = "new@example.org"
pytestmark = pytest.mark.settings(
    site_url="https://app.example.org", rate_limits="off", providers=msgspec.json.encode({"corp": PARTY}).decode()
)


class Account:
    """Ann, who has a second factor, a role, and two sessions: *here*, which everything is issued to, and *there*."""

    def __init__(self, house: House) -> None:
        self.house = house
        first = house.sign_up(ANN)
        house.prove(ANN)
        self.id = first["user"]["id"]
        assert 200 == house.put(f"admin/users/{self.id}/roles/editor", as_=service(house)).status
        house.clock.turn(seconds=2)
        self.factor, self.here = lifted(house, house.sign_in(ANN))
        self.there = house.sign_in(ANN)
        house.letters()

    @property
    def session_id(self) -> UUID:
        return UUID(claims(self.here)["session_id"])


Use = Callable[[], Any]


def _link(account: Account) -> Use:
    account.house.post("otp", {"email": ANN})
    link = account.house.letter("magic_link").data["link"]
    return lambda: follow(account.house, link)


def _code(account: Account) -> Use:
    account.house.post("otp", {"email": ANN})
    body = {"type": "email", "email": ANN, "token": account.house.letter("magic_link").data["code"]}
    return lambda: account.house.post("verify", body)


def _recovery(account: Account) -> Use:
    account.house.post("recover", {"email": ANN})
    token = query_of(account.house.letter("recovery").data["link"])["token"]
    return lambda: account.house.post("verify", {"type": "recovery", "token_hash": token})


def _change(account: Account) -> Use:
    assert 200 == account.house.put("user", {"email": NEW}, as_=account.here).status
    link = next(letter.data["link"] for letter in account.house.letters("email_change") if letter.to == NEW)
    return lambda: account.house.post("verify", {"type": "email_change", "token_hash": query_of(link)["token"]})


def _invitation(account: Account) -> Use:
    """Of somebody else, and what happens happens to them."""
    body = {"email": "guest@example.org"}
    made = account.house.post("invite", body, as_=service(account.house))
    account.id = made.json["id"]
    token = query_of(account.house.letter("invite").data["link"])["token"]
    return lambda: account.house.post("verify", {"type": "invite", "token_hash": token})


def _refresh(account: Account) -> Use:
    return lambda: account.house.refresh(account.here["refresh_token"])


def _access(account: Account) -> Use:
    return lambda: account.house.rest("GET", "secrets", as_=account.here)


def _account_access(account: Account) -> Use:
    return lambda: account.house.get("user", as_=account.here)


def _api_key(account: Account) -> Use:
    """The operator's; ``test_apikeys.py`` has those that accounts have made."""
    house = account.house
    made = house.post("admin/api-keys", {"name": "job", "role": "service_role"}, as_=service(house))
    assert 200 == made.status, made.body
    return lambda: house.rest("GET", "secrets", headers={"apikey": made.json["api_key"]})


def _pkce(account: Account) -> Use:
    account.house.post("otp", {"email": ANN, "code_challenge": CHALLENGE, "code_challenge_method": "s256"})
    found = follow(account.house, account.house.letter("magic_link").data["link"])["code"]
    body = {"auth_code": found, "code_verifier": VERIFIER}
    return lambda: account.house.post("token?grant_type=pkce", body)


def _state(account: Account) -> Use:
    """Of a link; the provider says no, so that nobody is asked there: a state that is good is sent back to the app."""
    house, now = account.house, account.house.clock()
    wish = Wish("corp", "", "https://app.example.org", None, UUID(account.id), account.session_id)
    begun = house.run(house.store.transact(lambda tx: begin(tx, wish, now)))
    cookie = cookie_line(begun.state, begun.cookie, secure=True, cross_site=False).decode().partition(";")[0]
    path = f"callback?state={begun.state}&error=access_denied"
    return lambda: house.get(path, headers={"cookie": cookie})


def _link_code(account: Account) -> Use:
    house, accounts, now = account.house, account.house.office.accounts, account.house.clock()
    person = Person("corp", uuid4().hex, None, False, {})

    async def prove(tx: Any) -> str:
        id = await begin_flow(tx, None, now, session_id=account.session_id)
        raw = msgspec.json.encode({LINK: msgspec.to_builtins(person)})
        extra = accounts.keyring.seal(raw, purpose="flow", context=str(id))
        return await prove_flow(tx, id, user_id=UUID(account.id), method="oauth", provider="corp", extra=extra, now=now)

    found = house.run(house.store.transact(prove))
    return lambda: house.post("user/identities/confirm", {"code": found}, as_=account.here)


def _factor(account: Account) -> Use:
    house, factor = account.house, account.factor
    begun = challenge(house, account.here, factor["id"])

    def use() -> Any:
        body = {"challenge_id": begun, "code": code(house, factor["totp"]["secret"])}
        return house.post(f"factors/{factor['id']}/verify", body, as_=account.here)

    return use


def _passkey(account: Account) -> Use:
    begun = account.house.post("passkeys/registration/options", {}, as_=account.here).json
    body = {"challenge_id": begun["challenge_id"], "credential": Authenticator().create(begun["options"])}
    return lambda: account.house.post("passkeys/registration/verify", body, as_=account.here)


def _nonce(account: Account) -> Use:
    assert 200 == account.house.get("reauthenticate", as_=account.here).status
    body = {"password": "a passphrase that is new", "nonce": account.house.letter("reauthentication").data["code"]}
    return lambda: account.house.put("user", body, as_=account.here)


def _answer(account: Account) -> Use:
    """What was answered to an Idempotency-Key."""
    row = {"owner_id": account.id, "text": "once"}
    headers = {"idempotency-key": "k-1", "prefer": "return=representation"}
    ask = lambda: account.house.rest("POST", "secrets", row, as_=account.here, headers=headers)  # noqa: E731
    assert 201 == ask().status
    return ask


ISSUED: Final[dict[str, Callable[[Account], Use]]] = {
    "magic link": _link,
    "one-time code": _code,
    "recovery link": _recovery,
    "link of a change of address": _change,
    "invitation": _invitation,
    "refresh token": _refresh,
    "access token, data": _access,
    "access token, account": _account_access,
    "API key of the operator": _api_key,
    "PKCE code": _pkce,
    "state of a link": _state,
    "link code": _link_code,
    "challenge of a factor": _factor,
    "challenge of a passkey": _passkey,
    "code of /reauthenticate": _nonce,
    "idempotent answer": _answer,
}


def _admin(method: str, path: str, body: Any) -> Callable[[Account], Any]:
    def happen(account: Account) -> Any:
        where = path.format(id=account.id, factor=account.factor["id"])
        return account.house.send(method, f"admin/users/{where}", body, as_=service(account.house))

    return happen


HAPPENS: Final[dict[str, Callable[[Account], Any]]] = {
    "ban": _admin("PUT", "{id}", {"ban_duration": "24h"}),
    "deletion": _admin("DELETE", "{id}", {}),
    "new password": _admin("PUT", "{id}", {"password": "another long passphrase"}),
    "new address": _admin("PUT", "{id}", {"email": "moved@example.org"}),
    "role given": _admin("PUT", "{id}/roles/admin?empty=true", None),
    "role taken": _admin("DELETE", "{id}/roles/editor", None),
    "factor removed": _admin("DELETE", "{id}/factors/{factor}", None),
    "sign-out of all": lambda account: account.house.post("logout?scope=global", as_=account.there),
    "sign-out here": lambda account: account.house.post("logout?scope=local", as_=account.here),
}


def outcome(answer: Any) -> str:
    """Status and code, as the table has them: ``good`` for whatever is let through."""
    if isinstance(answer, dict):
        return answer.get("error_code", "good")
    if answer.status < 400:
        location = answer.one("location") or ""
        found = re.search(r"error_code=(\w+)", location)
        return "good" if found is None or found[1] == "bad_oauth_callback" else found[1]
    return f"{answer.status} {answer.json['code']}"


_OTP = "403 otp_expired"
_OUT = "403 session_not_found"
_TOKEN = "401 PGRST301"
_STALE = "401 PGRST303"

#: In the order of `HAPPENS`.
PROMISED: Final[dict[str, tuple[str, ...]]] = {
    "magic link": ("otp_expired",) * 5 + ("good",) * 4,
    "one-time code": (_OTP,) * 5 + ("good",) * 4,
    "recovery link": (_OTP,) * 5 + ("good",) * 4,
    "link of a change of address": (_OTP,) * 5 + ("good",) * 2 + (_OTP,) * 2,
    "invitation": (_OTP,) * 5 + ("good",) * 4,
    "refresh token": ("400 refresh_token_not_found",) * 5 + ("good",) * 2 + ("400 refresh_token_not_found",) * 2,
    "access token, data": (_TOKEN,) * 5 + (_STALE, "good") + (_TOKEN,) * 2,
    "access token, account": (_OUT,) * 5 + ("good",) * 2 + (_OUT,) * 2,
    "API key of the operator": ("good",) * 9,
    "PKCE code": ("404 flow_state_not_found",) * 5 + ("good",) * 4,
    "state of a link": ("400 bad_oauth_state",) * 5 + ("good",) * 2 + ("400 bad_oauth_state",) * 2,
    "link code": (_OUT,) * 5 + ("good",) * 2 + (_OUT,) * 2,
    "challenge of a factor": (_OUT,) * 5 + ("good", "404 mfa_factor_not_found") + (_OUT,) * 2,
    "challenge of a passkey": (_OUT,) * 5 + ("good",) * 2 + (_OUT,) * 2,
    "code of /reauthenticate": (_OUT,) * 5 + ("good",) * 2 + (_OUT,) * 2,
    "idempotent answer": (_TOKEN,) * 5 + (_STALE, "good") + (_TOKEN,) * 2,
}


@pytest.mark.parametrize("happens", HAPPENS)
@pytest.mark.parametrize("issued", ISSUED)
def test_what_was_issued_before_and_is_used_after(house: House, issued: str, happens: str) -> None:
    """A4, A5, TK4, PW8: each cell of the table, by its exact status and code."""
    account = Account(house)
    use = ISSUED[issued](account)
    done = HAPPENS[happens](account).status
    # Whoever was invited has no role and no factor yet to be taken.
    nothing = issued == "invitation" and happens in ("role taken", "factor removed")
    assert done == (404 if nothing else 204 if happens.startswith("sign-out") else 200)
    assert PROMISED[issued][list(HAPPENS).index(happens)] == outcome(use())


@pytest.mark.parametrize("issued", ISSUED)
def test_what_was_issued_is_good_where_nothing_happened(house: House, issued: str) -> None:
    """The table says something: each thing works when it is left alone."""
    assert "good" == outcome(ISSUED[issued](Account(house))())


def test_the_table_is_written_down() -> None:
    """What is promised is what the reference shows."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "accounts.md").read_text(encoding="utf-8")
    lines = [f"| {issued} | {' | '.join(_told(cell) for cell in cells)} |" for issued, cells in PROMISED.items()]
    table = [f"| Issued before | {' | '.join(HAPPENS)} |", "|---" * (len(HAPPENS) + 1) + "|", *lines]
    assert "\n".join(table) in page


def _told(cell: str) -> str:
    return cell if cell == "good" else f"`{cell.rpartition(' ')[2]}`"


@query
def _ban_row(id: UUID, until: datetime) -> Any:
    return sa.update(User).where(User.id == id).values(banned_until=until)


@query
def _give_row(id: UUID, email: str) -> Any:
    return sa.update(User).where(User.id == id).values(email=email)


@query
def _forget_row(id: UUID) -> Any:
    return sa.delete(Session).where(Session.id == id)


@pytest.mark.parametrize("issued", ["magic link", "one-time code", "recovery link", "PKCE code", "refresh token"])
def test_a_ban_that_ended_nothing_bans(house: House, issued: str) -> None:
    """A4: written past the API, or restored: whoever is banned is refused, whatever they hold, until the ban is over."""
    account = Account(house)
    use = ISSUED[issued](account)
    until = house.clock() + timedelta(minutes=3)
    house.run(house.store.transact(lambda tx: tx.run(_ban_row(UUID(account.id), until))))
    expected = {"PKCE code": "400 user_banned", "refresh token": "400 user_banned", "magic link": "otp_expired"}
    assert expected.get(issued, _OTP) == outcome(use())
    house.clock.at = until
    if issued in ("PKCE code", "refresh token"):
        # A refusal leaves them as they were.
        assert "good" == outcome(use())


@pytest.mark.parametrize("issued", ["magic link", "one-time code", "recovery link"])
def test_a_mail_to_another_address_proves_nothing(house: House, issued: str) -> None:
    """OA7: also when the address was changed past the API, which has discarded nothing."""
    account = Account(house)
    use = ISSUED[issued](account)
    house.run(house.store.transact(lambda tx: tx.run(_give_row(UUID(account.id), NEW))))
    assert ("otp_expired" if issued == "magic link" else _OTP) == outcome(use())
    assert 2 == len(house.run(house.store.all(sessions_of(UUID(account.id)))))


@pytest.mark.parametrize(
    "issued",
    [
        *("link of a change of address", "refresh token", "access token, account", "link code"),
        *("challenge of a factor", "challenge of a passkey", "code of /reauthenticate"),
    ],
)
def test_what_is_left_behind_by_a_session_is_nothing(house: House, issued: str) -> None:
    """A5: also when the session was ended past the API, which has ended nothing that it had begun."""
    account = Account(house)
    use = ISSUED[issued](account)
    house.run(house.store.transact(lambda tx: tx.run(_forget_row(account.session_id))))
    assert PROMISED[issued][-1] == outcome(use())
