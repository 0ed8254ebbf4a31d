"""``backstay token``: a signed token for trying things out."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "--role", default="anon", show_default=True, help="anon, authenticated, service_role, or one of the app's."
)
@click.option("--sub", metavar="ID", help="The account's id: what me.id is in a policy.")
@click.option("--expires", type=click.IntRange(1, 10 * 365 * 86400), default=3600, show_default=True, metavar="SECONDS")
def token(role: str, sub: str | None, expires: int) -> None:
    """Print a token signed with BACKSTAY_JWT_SECRET, and nothing else.

    Whoever holds it is who it says until it expires.
    """
    import os
    import time

    from joserfc import jwt
    from joserfc.jwk import OctKey

    from backstay.errors import ConfigError
    from backstay.settings import Settings

    settings = Settings.load(os.environ)
    if settings.jwt_secret is None:
        raise ConfigError(
            "BST-E405", "There is no BACKSTAY_JWT_SECRET to sign with", hint="BACKSTAY_JWKS only verifies."
        )
    if role == "authenticated" and sub is None:
        raise click.UsageError("--role authenticated needs --sub ID: policies ask for it.")
    now = int(time.time())
    claims: dict[str, str | int] = {"role": role, "aud": "authenticated", "iat": now, "exp": now + expires}
    if sub is not None:
        claims["sub"] = sub
    key = OctKey.import_key(settings.jwt_secret)
    click.echo(jwt.encode({"alg": "HS256", "typ": "JWT"}, claims, key, algorithms=["HS256"]))
