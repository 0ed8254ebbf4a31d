"""``python -m examples.chirp``: create, seed and serve chirp on one SQLite file, and say how to call it."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Final

from joserfc import jwt
from joserfc.jwk import OctKey

from backstay.cli.server import run, stop_means_success, take_address
from backstay.crypt import own_keyring
from backstay.errors import ConfigError
from backstay.secret import own_secret
from backstay.settings import Settings

DAY_SECONDS: Final = 24 * 3600


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.chirp", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--data", type=Path, default=Path(".backstay/chirp"), help="folder of the database and secret")
    ask = parser.parse_args()
    try:
        take_address(ask.host, ask.port)
        ask.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret = own_secret(ask.data)
        own_keyring(ask.data)
    except ConfigError as fault:
        other = ask.port + 1 if ask.port < 65535 else 8000
        way_out = f"Choose another port: make demo PORT={other}" if fault.code == "BST-E413" else fault.hint
        sys.exit(f"{fault.message}. {way_out}")
    # The app reads its settings from the environment: here, and in the process that serves it.
    os.environ |= {
        "BACKSTAY_DATABASE": f"sqlite:///{(ask.data / 'chirp.db').resolve()}",
        "BACKSTAY_JWT_SECRET": secret,
        "BACKSTAY_ENCRYPTION_KEYS_FILE": str(ask.data / "encryption_keys"),
        "BACKSTAY_AUDIT_ANCHOR": str(ask.data / "audit-anchor"),
        "BACKSTAY_HOST": ask.host,
        "BACKSTAY_PORT": str(ask.port),
    }
    stop_means_success()
    _plant()
    print(_greeting(f"http://{ask.host}:{ask.port}", secret), flush=True)
    run("examples.chirp.app:app", Settings.load(os.environ))


def _plant() -> None:
    # Imported late: the app's settings are those of the moment it is imported.
    from examples.chirp.seed import plant

    asyncio.run(plant())


def _token(secret: str, role: str, subject: str | None = None) -> str:
    claims = {"iss": "chirp", "role": role, "iat": int(time.time()), "exp": int(time.time()) + 30 * DAY_SECONDS}
    if subject is not None:
        claims |= {"sub": subject, "aud": "authenticated"}
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(secret))


def _greeting(url: str, secret: str) -> str:
    from examples.chirp.seed import grow

    first, second = grow().profiles[:2]
    key = '-H "apikey: $BACKSTAY_ANON_KEY"'
    user = f'{key} -H "Authorization: Bearer $BACKSTAY_USER_TOKEN" -H "Content-Type: application/json"'
    posts = '"$BACKSTAY_URL/rest/v1/posts'
    return f"""export BACKSTAY_URL={url}
export BACKSTAY_ANON_KEY={_token(secret, "anon")}
export BACKSTAY_USER_TOKEN={_token(secret, "authenticated", str(first["id"]))}

# BACKSTAY_USER_TOKEN is {first["handle"]}; this one is {second["handle"]}:
export BACKSTAY_OTHER_TOKEN={_token(secret, "authenticated", str(second["id"]))}

# Calls to try. The newest public posts, with their authors:
curl {posts}?select=body,author:author_id(handle)&order=created_at.desc&limit=3" {key}
# A post of {first["handle"]}'s own:
curl {posts}?select=id,body,created_at" {user} -H "Prefer: return=representation" \\
  -d '{{"author_id": "{first["id"]}", "body": "Hello from curl"}}'
# What the policy own_posts refuses, a post in {second["handle"]}'s name:
curl {posts}" {user} -d '{{"author_id": "{second["id"]}", "body": "Not me"}}'
# Sign up; the answer has an access token, and with that rpc/join makes a profile and posts are your own:
curl "$BACKSTAY_URL/auth/v1/signup" {key} -H "Content-Type: application/json" \\
  -d '{{"email": "you@example.org", "password": "a long passphrase of yours"}}'

# Mail that would be sent: {url}/_mail/, with the secret that is printed below
# The API's description: {url}/openapi.json. Ctrl-C stops chirp; its data stays.
"""


if __name__ == "__main__":
    main()
