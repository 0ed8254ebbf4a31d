"""Passkeys in a real browser: Chromium makes and uses them with an authenticator of its own."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.accounts.house import PASSWORD
from tests.examples.running import serving

#: What `supabase.auth.passkey` does, without its wrapping.
PAGE = """<!doctype html><title>House</title><script>
async function ask(method, path, body, token) {
  const headers = {"content-type": "application/json", "x-supabase-api-version": "2024-01-01"}
  if (token) headers.authorization = "Bearer " + token
  const reply = await fetch(API + path, {method, headers, body: body && JSON.stringify(body)})
  const text = await reply.text()
  return {status: reply.status, body: text && JSON.parse(text)}
}
async function register(token) {
  const begun = (await ask("POST", "/auth/v1/passkeys/registration/options", {}, token)).body
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(begun.options)
  const credential = (await navigator.credentials.create({publicKey})).toJSON()
  const body = {challenge_id: begun.challenge_id, credential}
  return ask("POST", "/auth/v1/passkeys/registration/verify", body, token)
}
async function signIn() {
  const begun = (await ask("POST", "/auth/v1/passkeys/authentication/options", {})).body
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(begun.options)
  const credential = (await navigator.credentials.get({publicKey})).toJSON()
  return ask("POST", "/auth/v1/passkeys/authentication/verify", {challenge_id: begun.challenge_id, credential})
}
async function factor(token, id) {
  const begun = (await ask("POST", `/auth/v1/factors/${id}/challenge`, {factorId: id}, token)).body
  const {type, credential_options: {publicKey: json}} = begun.webauthn
  const create = type === "create"
  const credential = create
    ? await navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(json)})
    : await navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(json)})
  const webauthn = {type, credential_response: credential.toJSON()}
  return ask("POST", `/auth/v1/factors/${id}/verify`, {challenge_id: begun.id, webauthn}, token)
}
</script>"""


class Site(BaseHTTPRequestHandler):
    """The site: one page, whatever is asked for."""

    html = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(self.html.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The site's page in Chromium, with an authenticator that verifies its owner."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    hosting = threading.Thread(target=server.serve_forever, daemon=True)
    hosting.start()
    site = f"http://localhost:{server.server_port}"
    settings = {"SITE_URL": site, "ENCRYPTION_KEYS": "2026-11:" + "0123456789abcdef" * 4, "LOG_LEVEL": "warning"}
    for name, value in settings.items():
        monkeypatch.setenv(f"BACKSTAY_{name}", value)
    database = f"sqlite:///{tmp_path / 'app.db'}"
    with (
        serving(database, tmp_path / "log", app="tests.accounts.browser_app:app") as served,
        playwright.sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            opened = browser.new_page()
            monkeypatch.setattr(Site, "html", PAGE.replace("<script>", f'<script>const API = "{served.url}"\n', 1))
            devtools = opened.context.new_cdp_session(opened)
            devtools.send("WebAuthn.enable")
            authenticator = {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
            devtools.send("WebAuthn.addVirtualAuthenticator", {"options": authenticator})
            opened.goto(f"{site}/")
            yield opened
        finally:
            browser.close()
            server.shutdown()
            server.server_close()
            hosting.join()


def test_a_browser_signs_in_with_a_passkey(page: Any) -> None:
    """Made and used in Chromium, it opens an aal2 session, and a security key as second factor lifts one (MF3)."""
    ask = "([method, path, body, token]) => ask(method, path, body, token)"
    signed_up = page.evaluate(
        ask, ["POST", "/auth/v1/signup", {"email": "ann@example.org", "password": PASSWORD}, None]
    )
    assert 200 == signed_up["status"], signed_up
    session = signed_up["body"]
    own = {"owner_id": session["user"]["id"]}
    assert 403 == page.evaluate(ask, ["POST", "/rest/v1/vaults", own, session["access_token"]])["status"]

    enrolled = page.evaluate(
        ask, ["POST", "/auth/v1/factors", {"factor_type": "webauthn", "friendly_name": "Key"}, session["access_token"]]
    )["body"]
    factor = "([token, id]) => factor(token, id)"
    lifted = page.evaluate(factor, [session["access_token"], enrolled["id"]])
    assert 200 == lifted["status"], lifted
    again = page.evaluate(factor, [lifted["body"]["access_token"], enrolled["id"]])
    assert 200 == again["status"], again
    token = again["body"]["access_token"]
    assert 201 == page.evaluate(ask, ["POST", "/rest/v1/vaults", own, token])["status"]
    # The same authenticator has a credential of this account already: with the key's removal it may make a passkey.
    assert 200 == page.evaluate(ask, ["DELETE", f"/auth/v1/factors/{enrolled['id']}", None, token])["status"]

    made = page.evaluate("(token) => register(token)", token)
    assert 200 == made["status"], made
    signed_in = page.evaluate("() => signIn()")
    assert 200 == signed_in["status"], signed_in
    assert "ann@example.org" == signed_in["body"]["user"]["email"]
    token = signed_in["body"]["access_token"]
    assert 1 == len(page.evaluate(ask, ["GET", "/rest/v1/vaults", None, token])["body"])
    (listed,) = page.evaluate(ask, ["GET", "/auth/v1/passkeys", None, token])["body"]
    assert made["body"]["id"] == listed["id"]
