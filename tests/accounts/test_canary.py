"""LG3, PW9: what accounts give out or are told in confidence is found nowhere else."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pyotp
import pytest

from backstay.db.own import Own
from backstay.db.statement import Statement
from backstay.settings import Settings
from tests.accounts.house import COSTLY, KEYRING, PASSWORD, SECRET, House
from tests.accounts.staff import service
from tests.accounts.test_mails import CHALLENGE, VERIFIER, follow, query_of
from tests.canary import lines
from tests.http.api import Reply


def kept(house: House) -> str:
    """Every row of every table of Backstay's own, as text; bytes in every way that they are written."""
    found = []
    for table in Own.metadata.sorted_tables:
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        rows = house.run(house.store.database.fetch_all(Statement(f'SELECT {columns} FROM "{table.name}"')))
        for row in rows:
            for value in row:
                found.append(value.decode("latin-1") if isinstance(value, bytes) else str(value))
    return "\n".join(found)


@pytest.mark.settings(access_log=True)
def test_flows_leave_no_secret(house: House) -> None:
    """LG3: passwords, tokens, links, codes and the secrets of factors, in no log, refusal, or row, the audit's included."""
    secrets: dict[str, str] = {
        "password": PASSWORD,
        "another password": "another long passphrase",
        "verifier": VERIFIER,
    }
    refusals: list[Reply] = []

    def session(told: dict[str, Any], name: str) -> dict[str, Any]:
        secrets[f"access token of {name}"] = told["access_token"].rpartition(".")[2]
        secrets[f"refresh token of {name}"] = told["refresh_token"]
        return told

    def letter(kind: str) -> Any:
        found = house.letter(kind)
        if "code" in found.data:
            secrets[f"code of {kind}"] = found.data["code"]
        secrets[f"link of {kind}"] = query_of(found.data["link"])["token"] if "link" in found.data else "no link at all"
        return found

    with lines(Settings(jwt_secret=SECRET, encryption_keys=KEYRING)) as log:
        ann = session(house.sign_up(), "a sign-up")
        house.prove()
        session(house.sign_in(), "a sign-in")
        session(house.refresh(ann["refresh_token"]).json, "a refresh")
        house.post("recover", {"email": "ann@example.org"})
        recovery = letter("recovery")
        told = session(follow(house, recovery.data["link"]), "a recovery")
        refusals.append(house.get(f"verify?{urlsplit(recovery.data['link']).query}"))
        house.clock.turn(minutes=2)
        house.post("otp", {"email": "ann@example.org", "code_challenge": CHALLENGE, "code_challenge_method": "s256"})
        back = follow(house, letter("magic_link").data["link"])
        secrets["PKCE code"] = back["code"]
        exchange = {"auth_code": back["code"], "code_verifier": VERIFIER}
        session(house.post("token?grant_type=pkce", exchange).json, "PKCE")
        refusals.append(house.post("token?grant_type=pkce", exchange))
        enrolled = house.post("factors", {"factor_type": "totp", "friendly_name": "phone"}, as_=told).json
        secrets["secret of a factor"] = enrolled["totp"]["secret"]
        challenge = house.post(f"factors/{enrolled['id']}/challenge", {}, as_=told).json["id"]
        code = pyotp.TOTP(enrolled["totp"]["secret"]).at(house.clock())
        secrets["code of a factor"] = code
        body = {"challenge_id": challenge, "code": code}
        strong = session(house.post(f"factors/{enrolled['id']}/verify", body, as_=told).json, "two factors")
        refusals.append(house.post(f"factors/{enrolled['id']}/verify", body, as_=told))
        codes = house.post("factors/recovery-codes", {}, as_=strong).json["codes"]
        secrets |= {f"recovery code {number}": code for number, code in enumerate(codes)}
        refusals.append(house.post("factors/recovery-codes", {}, as_=strong))
        changed = {"password": "another long passphrase", "current_password": PASSWORD}
        assert 200 == house.put("user", changed, as_=strong).status
        refusals.append(
            house.put("user", {**changed, "password": PASSWORD, "nonce": secrets["code of recovery"]}, as_=strong)
        )
        for body in (
            {"email": "ann@example.org", "password": PASSWORD},
            {"email": PASSWORD, "password": "another long passphrase"},
        ):
            refusals.append(house.post("token?grant_type=password", body))
        refusals.append(house.refresh(secrets["refresh token of a sign-in"] + "x"))
        refusals.append(house.get("user", as_=ann["access_token"] + "x"))
    assert 9 == len(refusals)
    assert 25 < len(secrets)
    places = {"the log": log.text, "the tables": kept(house)}
    places |= {f"refusal {number}": reply.body.decode() for number, reply in enumerate(refusals)}
    found = {
        (where, name)
        for where, text in places.items()
        for name, secret in secrets.items()
        # Six digits stand by chance in a hash of bytes; as a value of their own they do not.
        if (secret in text.split() if len(secret) == 6 else secret in text)
    }
    assert set() == found
    assert log.records


@pytest.mark.settings(password_hash=COSTLY)
def test_no_answer_has_a_hash(house: House) -> None:
    """PW9: whatever accounts, admins and the service role ask, no answer holds the hash of a password."""
    ann = house.sign_up()
    id, key = ann["user"]["id"], service(house)
    (row,) = house.run(house.store.database.fetch_all(Statement("SELECT password_hash FROM backstay_users")))
    hash = str(row[0])
    assert hash.startswith(f"$argon2id$v=19${COSTLY}$")
    answers = [
        house.get("user", as_=ann),
        house.put("user", {"data": {"a": 1}}, as_=ann),
        house.get("sessions", as_=ann),
        house.refresh(ann["refresh_token"]),
        house.get("admin/users", as_=key),
        house.get(f"admin/users/{id}", as_=key),
        house.put(f"admin/users/{id}", {"user_metadata": {"b": 2}}, as_=key),
        house.get(f"admin/users/{id}/sessions", as_=key),
        house.get("admin/audit", as_=key),
        house.post("admin/generate_link", {"type": "recovery", "email": "ann@example.org"}, as_=key),
        *(house.rest("GET", f"{table}?select=*", as_=key) for table in ("backstay_users", "users", "secrets")),
        house.rest("GET", "", as_=key),
    ]
    for reply in answers:
        assert b"argon2" not in reply.body
        assert hash.rpartition("$")[2].encode() not in reply.body
        assert b"password_hash" not in reply.body
    assert {200, 404} >= {reply.status for reply in answers}
