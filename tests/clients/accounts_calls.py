"""The published Python client and the accounts of two running servers: one JSON line for each call.

A program of its own, like ``accounts.mjs``, with the same names and the same facts in its first argument.  It knows
nothing of Backstay.
"""

from __future__ import annotations

import json
import re
import sys
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import pyotp
from postgrest.exceptions import APIError
from supabase import Client, ClientOptions, create_client
from supabase_auth import SyncMemoryStorage
from supabase_auth.errors import AuthError

facts: dict[str, Any] = json.loads(sys.argv[1])
OPEN, CAREFUL = facts["open"], facts["careful"]
PASSWORD = "correct horse battery staple"
OTHER = "another long passphrase"


def client(url: str, **options: Any) -> Client:
    given: dict[str, Any] = {"auto_refresh_token": False, "storage": SyncMemoryStorage(), **options}
    return create_client(url, facts["anonKey"], options=ClientOptions(**given))


read: set[str] = set()


def mail(url: str, to: str, kind: str) -> tuple[str, str]:
    """The newest mail to this address: its code and its link."""
    for _ in range(200):
        with urllib.request.urlopen(f"{url}/_mail/messages.json?to={quote(to)}", timeout=60) as reply:
            found = [one for one in json.load(reply) if one["kind"] == kind and one["id"] not in read]
        if found:
            newest = max(found, key=lambda one: one["at"])
            read.update(one["id"] for one in found)
            code = re.search(r"\b\d{6}\b", newest["text"])
            return code[0] if code else "", next((one for one in newest["links"] if "/verify?" in one), "")
        time.sleep(0.025)
    raise RuntimeError(f"no mail ({kind}) to {to}")


class Stay(urllib.request.HTTPRedirectHandler):
    """Follows nothing."""

    def redirect_request(self, *given: Any) -> None:
        return None


def follow(link: str) -> Any:
    """Where a link of a mail leads, as a browser would follow it."""
    try:
        urllib.request.build_opener(Stay).open(link, timeout=60)
    except urllib.error.HTTPError as found:
        return urlsplit(found.headers["location"])
    raise RuntimeError("the link led nowhere")


def one_of(query: str, name: str) -> str:
    return parse_qs(query)[name][0]


ann, ann2, anon, nobody = client(OPEN), client(OPEN), client(OPEN), client(OPEN)
# This client begins every sign-in with a challenge, unless it is told not to.
bob, flow = client(CAREFUL, flow_type="implicit"), client(CAREFUL)
seen: list[str] = []
kept: dict[str, Any] = {}
ANN = {"email": "ann@example.org", "password": PASSWORD}
BOB = {"email": "bob@example.org", "password": PASSWORD}


def both(answer: Any) -> list[Any]:
    return [answer.user.email, answer.session is not None]


def user(answer: Any) -> Any:
    return None if answer is None else answer.user.email


def me(of: Client) -> str:
    return str(of.auth.get_user().user.id)


def weak(call: Callable[[], Any]) -> list[Any]:
    try:
        call()
    except AuthError as error:
        shown: Any = error
        return [type(error).__name__, error.code, shown.status, shown.reasons]
    return []


def code_of(call: Callable[[], Any]) -> str:
    try:
        call()
    except APIError as error:
        return str(error.code)
    return "none"


def sent(_: Any) -> str:
    return "sent"


def otp(of: Client, type_: str, email: str, code: str) -> Any:
    return of.auth.verify_otp({"type": type_, "email": email, "token": code})  # type: ignore[misc,arg-type]


def sign_up() -> Any:
    ann.auth.on_auth_state_change(lambda event, session: None if event == "INITIAL_SESSION" else seen.append(event))
    made = ann.auth.sign_up({**ANN, "options": {"data": {"name": "Ann"}}})  # type: ignore[typeddict-item]
    return [*both(made), made.user.user_metadata["name"]]


def claims() -> Any:
    found: Any = ann.auth.get_claims()
    said = found["claims"]
    named = [said[name] for name in ("email", "role", "aud", "aal")]
    return [*named, said["amr"][0]["method"], said["is_anonymous"], found["headers"]["alg"]]


def refresh() -> Any:
    kept["first"] = ann.auth.get_session().refresh_token
    session = ann.auth.refresh_session().session
    return [session.user.email, session.refresh_token != kept["first"]]


def refresh_repeated() -> Any:
    now = ann.auth.get_session().refresh_token
    return nobody.auth.refresh_session(kept["first"]).session.refresh_token == now


def set_session() -> Any:
    session = ann.auth.get_session()
    return both(client(OPEN).auth.set_session(session.access_token, session.refresh_token))


def expired() -> Any:
    storage = SyncMemoryStorage()
    stale = client(OPEN, storage=storage)
    stale.auth.sign_in_with_password(ANN)  # type: ignore[arg-type]
    (key,) = [key for key in storage.storage if "verifier" not in key]
    session = json.loads(storage.storage[key])
    storage.set_item(key, json.dumps({**session, "expires_at": 1}))
    found = stale.auth.get_session()
    return [found.user.email, found.refresh_token != session["refresh_token"]]


def insert(of: Client, text: str) -> Any:
    return of.table("secrets").insert({"owner_id": me(of), "text": text}).select("text").execute().data


def rows(of: Client) -> Any:
    return of.table("secrets").select("text").execute().data


def another() -> Any:
    eve = client(OPEN)
    eve.auth.sign_up({"email": "eve@example.org", "password": PASSWORD})
    return rows(eve)


def out(of: Client, scope: str) -> str:
    of.auth.sign_out({"scope": scope})  # type: ignore[typeddict-item]
    return "out"


def changed() -> Any:
    found = ann.auth.update_user({"email": "anna@example.org"}).user
    return [found.email, found.new_email]


def half() -> Any:
    found: Any = otp(nobody, "email_change", ANN["email"], mail(OPEN, ANN["email"], "email_change")[0])
    return found.session


def no_more() -> Any:
    found = otp(anon, "email_change", "ada@example.org", mail(OPEN, "ada@example.org", "email_change")[0]).user
    return [found.email, found.is_anonymous]


def anonymous() -> Any:
    found = anon.auth.sign_in_anonymously({"options": {"data": {"tour": 1}}}).user
    return [found.is_anonymous, found.user_metadata["tour"]]


def with_identities(of: Client) -> Any:
    made = of.auth.sign_up(BOB)  # type: ignore[arg-type]
    return [*both(made), len(made.user.identities)]


def careful_sign_up() -> Any:
    answer = with_identities(bob)
    mail(CAREFUL, BOB["email"], "confirmation")
    return answer


def careful_resend() -> Any:
    bob.auth.resend({"type": "signup", "email": BOB["email"]})
    kept["old"] = mail(CAREFUL, BOB["email"], "confirmation")[0]
    return "sent"


def ask(of: Client, email: str, **options: Any) -> str:
    return sent(of.auth.sign_in_with_otp({"email": email, "options": options}))  # type: ignore[typeddict-item]


def token_hash() -> Any:
    link = mail(CAREFUL, "new@example.org", "confirmation")[1]
    token = one_of(urlsplit(link).query, "token")
    return both(client(CAREFUL).auth.verify_otp({"type": "email", "token_hash": token}))


def link() -> Any:
    ask(bob, BOB["email"])
    back = follow(mail(CAREFUL, BOB["email"], "magic_link")[1]).fragment
    return both(bob.auth.set_session(one_of(back, "access_token"), one_of(back, "refresh_token")))


def exchange(kind: str) -> tuple[str, Any]:
    back = follow(mail(CAREFUL, BOB["email"], kind)[1])
    code: Any = {"auth_code": one_of(back.query, "code")}
    return back.fragment, both(flow.auth.exchange_code_for_session(code))


def pkce_recover() -> Any:
    flow.auth.reset_password_for_email(BOB["email"])
    return exchange("recovery")[1]


def signed(of: Client, body: Any, **more: Any) -> Any:
    return both(of.auth.sign_in_with_password({**body, **more}))  # type: ignore[arg-type]


def change(of: Client, **what: Any) -> Any:
    return user(of.auth.update_user(what))  # type: ignore[arg-type]


def named() -> Any:
    found = ann.auth.update_user({"data": {"town": "Ulm"}}).user.user_metadata
    return [found["name"], found["town"]]


def held() -> Any:
    session = ann.auth.get_session()
    return [session.user.email, session.token_type, session.expires_in]


service = create_client(OPEN, facts["serviceKey"], options=ClientOptions(auto_refresh_token=False))
admin: Any = service.auth.admin
dan = client(OPEN)
mfa: Any = dan.auth.mfa
DAN = {"email": "dan@example.org", "password": PASSWORD}


def admin_create() -> Any:
    made = admin.create_user({**DAN, "email_confirm": True, "app_metadata": {"plan": "gold"}}).user
    kept["dan"] = made.id
    return [made.email, made.email_confirmed_at is not None, made.app_metadata["plan"]]


def admin_list() -> Any:
    # This client gives the users alone; how many there are stands in a header that it hides.
    users = admin.list_users(page=1, per_page=50)
    return [sorted(one.email for one in users), len(users)]


def admin_invite() -> Any:
    found = admin.invite_user_by_email("ivy@example.org").user
    return [found.email, found.invited_at is not None]


def invitation() -> Any:
    return "access_token=" in follow(mail(OPEN, "ivy@example.org", "invite")[1]).fragment


def admin_link() -> Any:
    made = admin.generate_link({"type": "magiclink", "email": DAN["email"]}).properties
    proof: Any = {"type": made.verification_type, "token_hash": made.hashed_token}
    return [made.verification_type, both(client(OPEN).auth.verify_otp(proof))]


def shown(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except AuthError as error:
        return {"error": [type(error).__name__, error.code, getattr(error, "status", None)]}


def admin_sign_out() -> Any:
    dan.auth.sign_in_with_password(DAN)  # type: ignore[arg-type]
    token = dan.auth.get_session().access_token
    admin.sign_out(token, "global")
    return ["out", shown(lambda: user(client(OPEN).auth.get_user(token)))]


def ban(duration: str) -> Any:
    admin.update_user_by_id(kept["dan"], {"ban_duration": duration})
    return signed(dan, DAN)


def levels() -> Any:
    found = mfa.get_authenticator_assurance_level()
    return [found.current_level, found.next_level, [one.method for one in found.current_authentication_methods]]


def enroll() -> Any:
    made = mfa.enroll({"factor_type": "totp", "friendly_name": "phone"})
    kept["factor"], kept["secret"] = made.id, made.totp.secret
    uri, code = made.totp.uri.startswith("otpauth://totp/"), made.totp.qr_code.startswith("data:image/svg+xml")
    return [made.type, made.friendly_name, uri, code]


def mfa_verify() -> Any:
    challenge = mfa.challenge({"factor_id": kept["factor"]}).id
    code = pyotp.TOTP(kept["secret"]).now()
    made = mfa.verify({"factor_id": kept["factor"], "challenge_id": challenge, "code": code})
    return [made.user.email, made.token_type]


def vault(of: Client) -> Any:
    return of.table("vaults").select("owner_id").execute().data


def weaker() -> Any:
    made = client(OPEN)
    made.auth.sign_in_with_password(DAN)  # type: ignore[arg-type]
    found = made.auth.mfa.get_authenticator_assurance_level()
    return [found.current_level, found.next_level, vault(made)]


def mfa_closed() -> Any:
    dan.auth.refresh_session()
    return vault(dan)


def admin_delete() -> Any:
    admin.delete_user(kept["dan"])
    return ["gone", shown(lambda: user(admin.get_user_by_id(kept["dan"]))), shown(lambda: signed(dan, DAN))]


CALLS: dict[str, Callable[[], Any]] = {
    "sign_up": sign_up,
    "sign_up_again": lambda: both(nobody.auth.sign_up(ANN)),  # type: ignore[arg-type]
    "sign_up_weak": lambda: weak(lambda: nobody.auth.sign_up({"email": "eve@example.org", "password": "1234567"})),
    "sign_up_without_address": lambda: both(nobody.auth.sign_up({"email": "nobody", "password": PASSWORD})),
    "get_session": held,
    "get_user": lambda: user(ann.auth.get_user()),
    "get_user_forged": lambda: user(ann.auth.get_user("a.b.c")),
    "get_claims": claims,
    "get_identities": lambda: [one.provider for one in ann.auth.get_user_identities().identities],
    "sign_in_wrong": lambda: signed(ann2, ANN, password="wrong"),
    "sign_in_unknown": lambda: signed(ann2, ANN, email="x@example.org"),
    "sign_in": lambda: signed(ann2, ANN),
    "refresh_session": refresh,
    "refresh_repeated": refresh_repeated,
    "refresh_unknown": lambda: both(client(OPEN).auth.refresh_session("x" * 43)),
    "set_session": set_session,
    "get_session_expired": expired,
    "update_data": named,
    "update_password_same": lambda: change(ann, password=PASSWORD),
    "update_password_weak": lambda: weak(lambda: change(ann, password="short")),
    "insert_own": lambda: insert(ann, "mine"),
    "insert_as_another": lambda: code_of(
        lambda: ann.table("secrets").insert({"owner_id": str(uuid4()), "text": "not mine"}).execute()
    ),
    "insert_behind_a_factor": lambda: code_of(lambda: ann.table("vaults").insert({"owner_id": me(ann)}).execute()),
    "select_own": lambda: rows(ann),
    "select_as_another": another,
    "update_password": lambda: change(ann, password=OTHER),
    "other_device_is_out": lambda: user(ann2.auth.get_user()),
    "sign_in_old_password": lambda: signed(ann2, ANN),
    "sign_in_new_password": lambda: signed(ann2, ANN, password=OTHER),
    "sign_out_others": lambda: out(ann, "others"),
    "others_are_out": lambda: user(ann2.auth.get_user()),
    "update_email": changed,
    "verify_half": half,
    "verify_whole": lambda: both(
        otp(ann, "email_change", "anna@example.org", mail(OPEN, "anna@example.org", "email_change")[0])
    ),
    "sign_out_local": lambda: [out(ann, "local"), ann.auth.get_session()],
    "get_user_signed_out": lambda: user(ann.auth.get_user()),
    "refresh_signed_out": lambda: both(ann.auth.refresh_session()),
    "events": lambda: seen,
    "anonymous": anonymous,
    "anonymous_row": lambda: insert(anon, "kept"),
    "anonymous_gives_address": lambda: anon.auth.update_user({"email": "ada@example.org"}).user.new_email,
    "anonymous_no_more": no_more,
    "row_is_kept": lambda: rows(anon),
    "admin_create": admin_create,
    "admin_create_again": lambda: user(admin.create_user(DAN)),
    "admin_list": admin_list,
    "admin_get": lambda: user(admin.get_user_by_id(kept["dan"])),
    "admin_update": lambda: admin.update_user_by_id(kept["dan"], {"user_metadata": {"name": "Dan"}}).user.user_metadata[
        "name"
    ],
    "admin_as_anybody": lambda: len(client(OPEN).auth.admin.list_users()),
    "admin_invite": admin_invite,
    "invitation": invitation,
    "admin_link": admin_link,
    "admin_sign_out": admin_sign_out,
    "admin_ban": lambda: ban("1h"),
    "admin_unban": lambda: ban("none"),
    "mfa_levels_before": levels,
    "mfa_enroll": enroll,
    "mfa_wrong": lambda: mfa.challenge_and_verify({"factor_id": kept["factor"], "code": "000000x"}),
    "mfa_verify": mfa_verify,
    "mfa_levels": levels,
    "mfa_list": lambda: [[one.friendly_name, one.status] for one in mfa.list_factors().totp],
    "mfa_vault": lambda: len(dan.table("vaults").insert({"owner_id": kept["dan"]}).select("owner_id").execute().data),
    "mfa_weaker_session": weaker,
    "mfa_unenroll": lambda: mfa.unenroll({"factor_id": kept["factor"]}).id == kept["factor"],
    "mfa_vault_closed": mfa_closed,
    "admin_delete": admin_delete,
    "careful_sign_up": careful_sign_up,
    "careful_sign_in_early": lambda: signed(bob, BOB),
    "careful_resend": careful_resend,
    "careful_wrong_code": lambda: both(otp(bob, "signup", BOB["email"], "x")),
    "careful_code": lambda: both(otp(bob, "signup", BOB["email"], kept["old"])),
    "careful_code_again": lambda: both(otp(nobody, "signup", BOB["email"], kept["old"])),
    "careful_sign_up_taken": lambda: with_identities(client(CAREFUL)),
    "recover": lambda: sent(bob.auth.reset_password_for_email(BOB["email"])),
    "recover_unknown": lambda: sent(bob.auth.reset_password_for_email("x@example.org")),
    "recover_verify": lambda: both(otp(bob, "recovery", BOB["email"], mail(CAREFUL, BOB["email"], "recovery")[0])),
    "otp_known": lambda: ask(bob, BOB["email"], should_create_user=False),
    "otp_unknown": lambda: ask(bob, "x@example.org", should_create_user=False),
    "otp_verify": lambda: both(otp(bob, "email", BOB["email"], mail(CAREFUL, BOB["email"], "magic_link")[0])),
    "otp_creates": lambda: ask(client(CAREFUL), "new@example.org"),
    "token_hash": token_hash,
    "link": link,
    "reauthenticate": lambda: sent(bob.auth.reauthenticate()),
    "wrong_nonce": lambda: change(bob, password=OTHER, nonce="12"),
    "right_nonce": lambda: change(bob, password=OTHER, nonce=mail(CAREFUL, BOB["email"], "reauthentication")[0]),
    "pkce_send": lambda: ask(flow, BOB["email"]),
    "pkce_wrong_code": lambda: both(client(CAREFUL).auth.exchange_code_for_session({"auth_code": "x"})),  # type: ignore[typeddict-item]
    "pkce_exchange": lambda: list(exchange("magic_link")),
    "pkce_recover": pkce_recover,
    "sign_out_global": lambda: out(flow, "global"),
    "all_are_out": lambda: user(bob.auth.get_user()),
}


def main() -> None:
    for name, call in CALLS.items():
        line: dict[str, Any] = {"name": name}
        try:
            line["value"] = call()
        except AuthError as error:
            line["value"] = {"error": [type(error).__name__, error.code, getattr(error, "status", None)]}
        except Exception:
            line["threw"] = traceback.format_exc()
        print(json.dumps(line), flush=True)


main()
