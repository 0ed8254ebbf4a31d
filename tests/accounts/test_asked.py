"""What accounts ask to be sent: to whom it goes, what is noted of it, and to whom nothing goes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.accounts.house import PASSWORD, House
from tests.accounts.staff import events, service
from tests.accounts.test_factors import challenge, code, enrol, refusal
from tests.accounts.test_mails import CHALLENGE, CONFIRMED, VERIFIER, follow, query_of

OPEN = pytest.mark.settings(rate_limits="off")
ANN, BOB = "ann@example.org", "bob@example.org"
SENT = ("recovery_sent_at", "confirmation_sent_at", "reauthentication_sent_at")


def moments(house: House, session: Any) -> dict[str, Any]:
    """When what was sent, as the account shows it."""
    user = house.get("user", as_=session).json
    return {name: user[name] for name in SENT if user.get(name) is not None}


@pytest.mark.parametrize(
    ("path", "kind", "event", "noted"),
    [
        ("recover", "recovery", "user_recovery_requested", "recovery_sent_at"),
        ("otp", "magic_link", "user_recovery_requested", "recovery_sent_at"),
        ("magiclink", "magic_link", "user_recovery_requested", "recovery_sent_at"),
        ("reauthenticate", "reauthentication", "user_reauthenticate_requested", "reauthentication_sent_at"),
    ],
)
@OPEN
def test_what_is_noted_of_a_mail(house: House, path: str, kind: str, event: str, noted: str) -> None:
    """AU3: one mail, one line in the log and one moment, of this account and no other."""
    ann, bob = house.sign_up(ANN), house.sign_up(BOB)
    assert ({}, {}) == (moments(house, ann), moments(house, bob))
    house.clock.turn(seconds=60)
    reply = house.get(path, as_=ann) if path == "reauthenticate" else house.post(path, {"email": ANN})
    assert (200, {}) == (reply.status, reply.json)
    assert [(kind, ANN)] == [(letter.kind, letter.to) for letter in house.letters()]
    assert ({noted: "2026-11-21T12:01:00Z"}, {}) == (moments(house, ann), moments(house, bob))
    (row,) = events(house, event)
    assert (ann["user"]["id"], {"method": "email"}) == (row.subject, row.details)


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("recover", {}, (400, "validation_failed")),
        ("recover", {"email": "ann"}, (400, "email_address_invalid")),
        ("otp", {}, (400, "validation_failed")),
        ("otp", {"phone": "491234"}, (400, "phone_provider_disabled")),
        ("otp", {"email": ANN, "data": {"x": "y" * 20_000}}, (400, "validation_failed")),
        ("magiclink", {"email": ""}, (400, "validation_failed")),
        ("resend", {"email": ANN}, (400, "validation_failed")),
        ("resend", {"email": ANN, "type": "recovery"}, (400, "validation_failed")),
        ("resend", {"type": "signup"}, (400, "validation_failed")),
        ("resend", {"type": "email_change"}, (400, "validation_failed")),
    ],
)
@OPEN
def test_what_cannot_be_asked(house: House, path: str, body: dict[str, Any], expected: tuple[int, str]) -> None:
    """Each with the code that GoTrue has for it, and nothing is sent."""
    house.sign_up(ANN)
    assert expected == refusal(house.post(path, body))
    assert [] == house.letters()


@OPEN
def test_a_phone_beside_an_address_is_not_looked_at(house: House) -> None:
    """The address is what is written to."""
    house.sign_up(ANN)
    assert 200 == house.post("otp", {"email": ANN, "phone": "491234"}).status
    assert ANN == house.letter("magic_link").to


@pytest.mark.settings(anonymous_sign_ins=True, rate_limits="off")
def test_nobody_is_written_to_without_an_address(house: House) -> None:
    """An anonymous account has none to prove itself by."""
    assert (400, "validation_failed") == refusal(house.get("reauthenticate", as_=house.post("signup", {}).json))


@CONFIRMED
def test_what_is_sent_again(house: House) -> None:
    """The mail of a sign-up until it was followed, that of a change while it is wished for; else nothing, silently."""
    again = {"type": "signup", "email": ANN}
    change = {"type": "email_change", "email": ANN}

    def asked(body: dict[str, str]) -> list[tuple[str, str]]:
        house.clock.turn(minutes=2)
        assert 200 == house.post("resend", body).status
        return sorted((letter.kind, letter.to) for letter in house.letters())

    house.post("signup", {"email": ANN, "password": PASSWORD})
    old = house.letter("confirmation").data["link"]
    assert [] == asked(change)
    house.clock.turn(minutes=2)
    assert 200 == house.post("resend", again).status
    link = house.letter("confirmation").data["link"]
    assert "otp_expired" == follow(house, old)["error_code"]
    session = follow(house, link)
    assert [] == asked(again) == asked(change)
    assert 200 == house.put("user", {"email": "new@example.org"}, as_=session).status
    house.letters()
    assert [("email_change", ANN), ("email_change", "new@example.org")] == asked(change)
    assert [] == asked(again)
    assert [] == asked({**change, "email": "new@example.org"})
    asked_for = events(house, "user_confirmation_requested")
    assert {"method": "email"} == asked_for[0].details


@pytest.mark.parametrize("path", ["recover", "otp", "resend"])
@pytest.mark.settings(email_confirmation=True, rate_limits="off")
def test_whoever_is_banned_is_sent_nothing(house: House, path: str) -> None:
    """A4: until the second in which the ban is over; the answer tells nothing."""
    house.post("signup", {"email": ANN, "password": PASSWORD})
    assert ["confirmation"] == [letter.kind for letter in house.letters()]
    ban = {"ban_duration": "1h"}
    (row,) = events(house, "user_signedup")
    assert 200 == house.put(f"admin/users/{row.subject}", ban, as_=service(house)).status
    body = {"email": ANN, "type": "signup"}
    for seconds, expected in ((3599, []), (1, [ANN])):
        house.clock.turn(seconds=seconds)
        reply = house.post(path, body)
        assert (200, {}, expected) == (reply.status, reply.json, [letter.to for letter in house.letters()])


@pytest.mark.parametrize(("create", "signup", "made"), [(True, True, True), (False, True, False), (True, False, False)])
def test_who_gets_an_account_by_a_link(
    accounts_url: Any, request: pytest.FixtureRequest, create: bool, signup: bool, made: bool
) -> None:
    """Whoever asks for it, where people may sign up."""
    request.node.add_marker(pytest.mark.settings(rate_limits="off", signup=signup))
    house: House = request.getfixturevalue("house")
    assert 200 == house.post("otp", {"email": ANN, "create_user": create, "data": {"name": "Ann"}}).status
    assert (["confirmation"] if made else []) == [letter.kind for letter in house.letters()]
    assert made == bool(house.get("admin/users", as_=service(house)).json["users"])


@pytest.mark.settings(email_confirmation=True, rate_limits="off")
def test_the_newest_who_asks_says_who_it_is(house: House) -> None:
    """Of an account that nobody has confirmed and that has no password; what an administrator wrote is not written over."""
    for name in ("First", "Ann"):
        house.post("otp", {"email": ANN, "data": {"name": name}})
    shown = house.post("verify", {"type": "email", "email": ANN, "token": house.letters()[-1].data["code"]}).json
    assert "Ann" == shown["user"]["user_metadata"]["name"]
    # Once there was a proof it is the account's own to say.
    house.post("otp", {"email": ANN, "data": {"name": "Eve"}})
    shown = house.post("verify", {"type": "email", "email": ANN, "token": house.letters()[-1].data["code"]}).json
    assert "Ann" == shown["user"]["user_metadata"]["name"]
    invited = {"email": BOB, "data": {"name": "Bob"}}
    assert 200 == house.post("invite", invited, as_=service(house)).status
    house.post("otp", {"email": BOB, "data": {"name": "Eve"}})
    (row, *_) = [row for row in house.get("admin/users", as_=service(house)).json["users"] if row["email"] == BOB]
    assert "Bob" == row["user_metadata"]["name"]


@pytest.mark.settings(rate_limits='{"signin": "off", "verify": "off", "mail_address": "off"}')
def test_a_right_code_ends_the_count_of_wrong_ones(house: House) -> None:
    """TH2: four wrong ones, the right one, and four more are free; without it the sixth waits."""
    session = house.sign_up()
    house.clock.turn(minutes=6)

    def change(number: int, nonce: str) -> str:
        reply = house.put("user", {"password": f"passphrase number {number}", "nonce": nonce}, as_=session)
        return "good" if reply.status == 200 else str(reply.json["code"])

    def sent() -> str:
        assert 200 == house.get("reauthenticate", as_=session).status
        return str(house.letter("reauthentication").data["code"])

    sent()
    wrong = ["reauthentication_not_valid"] * 4
    assert wrong == [change(number, "x") for number in range(4)]
    assert "good" == change(5, sent())
    assert wrong == [change(number, "x") for number in range(4)]


@OPEN
def test_what_a_change_of_address_says_to_the_log(house: House) -> None:
    """AU3: the wish, and the change when both sides have agreed; the same address is no wish."""
    session = house.sign_up()
    assert 200 == house.put("user", {"email": " Ann@example.org"}, as_=session).status
    assert ([], []) == (house.letters(), events(house, "user_modified"))
    assert 200 == house.put("user", {"email": "new@example.org"}, as_=session).status
    old, new = house.letters("email_change")
    for letter in (old, new):
        assert (ANN, "new@example.org") == (letter.data["email"], letter.data["new_email"])
    assert [("new_email",)] == [tuple(row.details["fields"]) for row in events(house, "user_modified")]
    for letter in (new, old):
        follow(house, letter.data["link"])
    assert [("email",), ("new_email",)] == [tuple(row.details["fields"]) for row in events(house, "user_modified")]
    told = house.letter("email_changed")
    assert (ANN, "new@example.org") == (told.to, told.data["new_email"])


@OPEN
def test_an_address_that_is_taken(house: House) -> None:
    """Where sign-ups say so it is refused; also when it was taken between the wish and the second proof."""
    session = house.sign_up()
    house.sign_up(BOB)
    assert (422, "email_exists") == refusal(house.put("user", {"email": BOB}, as_=session))
    assert "new_email" not in house.get("user", as_=session).json
    assert 200 == house.put("user", {"email": "zoe@example.org"}, as_=session).status
    old, new = house.letters("email_change")
    house.sign_up("zoe@example.org")
    assert "message" in follow(house, old.data["link"])
    assert "email_exists" == follow(house, new.data["link"])["error_code"]
    assert ANN == house.get("user", as_=session).json["email"]


@OPEN
def test_what_is_left_of_an_account_when_its_address_is_proved(house: House) -> None:
    """OA7: of what it says of itself the address alone, in the account and in its identity."""
    house.sign_up(data={"name": "Mallory"})
    house.post("recover", {"email": ANN})
    user = house.get("user", as_=follow(house, house.letter("recovery").data["link"])).json
    ours = {"sub": user["id"], "email": ANN, "email_verified": True, "phone_verified": False}
    assert ours == user["user_metadata"] == user["identities"][0]["identity_data"]


def test_what_is_switched_on(house: House) -> None:
    """What a sign-in page of GoTrue's clients asks for, all of it."""
    off = dict.fromkeys(("anonymous_users", "phone", "apple", "azure", "github", "gitlab", "google"), False)
    assert {
        "external": off | {"email": True},
        "disable_signup": False,
        "mailer_autoconfirm": True,
        "phone_autoconfirm": False,
        "sms_provider": "",
        "mfa_enabled": True,
        "saml_enabled": False,
        "passkeys_enabled": True,
    } == house.get("settings").json
    version = house.get("health").json["version"]
    assert ("v", 2) == (version[:1], version.count("."))
    found = house.get(".well-known/openid-configuration")
    assert "public, max-age=600" == found.one("cache-control")
    assert ["ES256"] == found.json["id_token_signing_alg_values_supported"]


@pytest.mark.settings(anonymous_sign_ins=True, rate_limits="off")
def test_an_anonymous_account_gets_an_address(house: House) -> None:
    """It is confirmed by its one proof, and is anonymous no more; the mail names the new address for both."""
    session = house.post("signup", {}).json
    assert 200 == house.put("user", {"email": ANN}, as_=session).status
    letter = house.letter("email_change")
    assert (ANN, ANN, ANN) == (letter.to, letter.data["email"], letter.data["new_email"])
    house.clock.turn(seconds=5)
    user = house.get("user", as_=follow(house, letter.data["link"])).json
    assert ("2026-11-21T12:00:05Z", False, ANN) == (user["email_confirmed_at"], user["is_anonymous"], user["email"])
    assert {"provider": "email", "providers": ["email"]} == user["app_metadata"]


@OPEN
def test_a_challenge_that_is_over_is_no_try(house: House) -> None:
    """TH2: a wrong code for it says so, and is not counted; the right one is good afterwards."""
    session = house.sign_up()
    factor = enrol(house, session)
    old = challenge(house, session, factor["id"])
    house.clock.turn(minutes=5)
    path = f"factors/{factor['id']}/verify"
    for _ in range(6):
        wrong = house.post(path, {"challenge_id": old, "code": "000000"}, as_=session)
        assert (422, "mfa_challenge_expired") == refusal(wrong)
    body = {"challenge_id": challenge(house, session, factor["id"]), "code": code(house, factor["totp"]["secret"])}
    assert 200 == house.post(path, body, as_=session).status


@OPEN
def test_an_enrolment_that_is_dropped_is_told_to_nobody(house: House) -> None:
    """It was no factor yet; the log has it."""
    session = house.sign_up()
    factor = enrol(house, session, "x" * 120)
    assert 200 == house.delete(f"factors/{factor['id']}", as_=session).status
    assert [] == house.letters()
    (row,) = events(house, "factor_deleted")
    assert {"factor_id": factor["id"], "factor_type": "totp"} == row.details


#: What sends a link: path, body, and what it is told as; ``True`` where whoever asks has signed in.
LINKS: dict[str, tuple[str, str, dict[str, Any], bool]] = {
    "recover": ("POST", "recover", {"email": ANN}, False),
    "otp": ("POST", "otp", {"email": ANN}, False),
    "magiclink": ("POST", "magiclink", {"email": ANN}, False),
    "new by otp": ("POST", "otp", {"email": BOB}, False),
    "sign-up": ("POST", "signup", {"email": BOB, "password": PASSWORD}, False),
    "resend": ("POST", "resend", {"type": "signup", "email": "una@example.org"}, False),
    "another address": ("PUT", "user", {"email": "new@example.org"}, True),
    "another address again": ("POST", "resend", {"type": "email_change", "email": ANN}, False),
}


@pytest.mark.settings(email_confirmation=True, rate_limits="off")
@pytest.mark.parametrize("asked", LINKS)
def test_every_link_keeps_its_challenge(house: House, asked: str) -> None:
    """OA2: what comes back through the browser is a code, worth nothing without the verifier, and leads where it said."""
    house.post("signup", {"email": "una@example.org", "password": PASSWORD})
    house.post("signup", {"email": ANN, "password": PASSWORD})
    session = follow(house, house.letters("confirmation")[-1].data["link"])
    if asked == "another address again":
        assert 200 == house.put("user", {"email": "new@example.org"}, as_=session).status
        house.letters()
    method, path, body, signed_in = LINKS[asked]
    proof = {"code_challenge": CHALLENGE, "code_challenge_method": "s256"}
    there = "https://api.example.org/there"
    reply = house.send(method, f"{path}?redirect_to={there}", body | proof, as_=session if signed_in else None)
    assert 200 == reply.status, reply.body
    told: dict[str, str] = {}
    for letter in house.letters():
        about = query_of(letter.data["link"])
        assert (True, there) == (about["token"].startswith("pkce_"), about["redirect_to"])
        told = follow(house, letter.data["link"])
    assert ["code"] == list(told)
    opened = house.post("token?grant_type=pkce", {"auth_code": told["code"], "code_verifier": VERIFIER})
    address = letter.to if letter.kind == "email_change" else body["email"]
    assert (200, address) == (opened.status, opened.json["user"]["email"])


@pytest.mark.settings(email_confirmation=True, rate_limits="off", site_url="https://app.example.org")
def test_what_a_session_had_sent_ends_with_it(house: House) -> None:
    """A5: neither side of the wish of a session that is over can be agreed to, also not when it was sent again."""
    house.post("signup", {"email": ANN, "password": PASSWORD})
    session = follow(house, house.letter("confirmation").data["link"])
    assert 200 == house.put("user", {"email": "new@example.org"}, as_=session).status
    links = [letter.data["link"] for letter in house.letters("email_change")]
    assert 200 == house.post("resend", {"type": "email_change", "email": ANN}).status
    links += [letter.data["link"] for letter in house.letters("email_change")]
    assert 4 == len(links)
    assert 204 == house.post("logout?scope=local", as_=session).status
    assert ["otp_expired"] * 4 == [follow(house, link)["error_code"] for link in links]
    assert ANN == house.sign_in()["user"]["email"]


@pytest.mark.settings(email_confirmation=True, rate_limits="off", site_url="https://app.example.org")
def test_who_has_an_account_already_is_told_where_to_sign_in(house: House) -> None:
    """TH5: by a link to the app, and by no link that does anything; after a sign-up, and after another's wish."""
    for email in (ANN, BOB):
        house.post("signup", {"email": email, "password": PASSWORD})
        session = follow(house, house.letter("confirmation").data["link"])
    house.post("signup", {"email": ANN, "password": PASSWORD})
    house.put("user", {"email": ANN}, as_=session)
    found = [letter for letter in house.letters() if letter.kind == "account_exists"]
    assert [(ANN, "https://app.example.org")] * 2 == [(letter.to, letter.data["link"]) for letter in found]


@pytest.mark.settings(email_confirmation=True, rate_limits="off")
def test_a_new_wish_is_agreed_to_anew(house: House) -> None:
    """A3: who has agreed to one address has agreed to no other; both sides count, each once."""
    house.post("signup", {"email": ANN, "password": PASSWORD})
    session = follow(house, house.letter("confirmation").data["link"])
    for wish in ("one@example.org", "two@example.org"):
        house.clock.turn(seconds=1)
        assert 200 == house.put("user", {"email": wish}, as_=session).status
        old, new = house.letters("email_change")
        assert [ANN, wish] == [old.to, new.to]
        assert "message" in follow(house, old.data["link"])
    assert ANN == house.get("user", as_=session).json["email"]
    done = follow(house, new.data["link"])
    user = house.get("user", as_=done).json
    assert ("two@example.org", "new_email" in user) == (user["email"], False)
    assert ("two@example.org", "two@example.org", True) == (
        user["user_metadata"]["email"], user["identities"][0]["identity_data"]["email"],
        user["identities"][0]["identity_data"]["email_verified"],
    )  # fmt: skip
    assert user["updated_at"] == user["identities"][0]["updated_at"] == "2026-11-21T12:00:02Z"
