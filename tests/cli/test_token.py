"""``backstay token``."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from joserfc import jwt
from joserfc.jwk import OctKey

from backstay.cli.main import main

SECRET = "0123456789abcdef0123456789abcdef"


def mint(*arguments: str, **environ: str) -> Any:
    return CliRunner().invoke(main, ["token", *arguments], env={"BACKSTAY_JWT_SECRET": SECRET, **environ})


def claims_of(output: str) -> dict[str, Any]:
    return jwt.decode(output.strip(), OctKey.import_key(SECRET), algorithms=["HS256"]).claims


def test_the_token_is_all_of_stdout() -> None:
    """`curl -H "Authorization: Bearer $(backstay token)"` works."""
    result = mint()
    assert (0, 1, "") == (result.exit_code, result.stdout.count("\n"), result.stderr)
    assert {"alg": "HS256", "typ": "JWT"} == json.loads(urlsafe_b64decode(result.stdout.split(".")[0] + "=="))


def test_claims_say_who_and_how_long() -> None:
    """role, sub and the two times; nothing that was not asked for."""
    before = int(time.time())
    claims = claims_of(mint("--role", "authenticated", "--sub", "u1", "--expires", "60").stdout)
    assert {"role", "sub", "aud", "iat", "exp"} == set(claims)
    assert ("authenticated", "u1", 60) == (claims["role"], claims["sub"], claims["exp"] - claims["iat"])
    assert before <= claims["iat"] <= before + 5


def test_anonymous_tokens_name_nobody() -> None:
    """The default is the least."""
    claims = claims_of(mint().stdout)
    assert ("anon", False) == (claims["role"], "sub" in claims)


@pytest.mark.parametrize("arguments", [("--role", "authenticated"), ("--expires", "0"), ("--expires", "soon")])
def test_an_argument_that_makes_no_sense_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    """No token is printed."""
    result = mint(*arguments)
    assert (2, "") == (result.exit_code, result.stdout)


def test_a_weak_secret_signs_nothing() -> None:
    """The sentence names the variable and the code, and the exit code is 2."""
    result = mint(BACKSTAY_JWT_SECRET="short")
    assert (2, "") == (result.exit_code, result.stdout)
    assert "BACKSTAY_JWT_SECRET is 5 bytes long; 32 is the least [BST-E406]" in result.stderr


def test_the_secret_of_the_first_start_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a secret in the environment it is the file's, made now where it is missing."""
    monkeypatch.chdir(tmp_path)
    output = CliRunner().invoke(main, ["token"], env={"BACKSTAY_JWT_SECRET": None}).stdout
    key = OctKey.import_key((tmp_path / ".backstay" / "secret").read_text().strip())
    assert "anon" == jwt.decode(output.strip(), key, algorithms=["HS256"]).claims["role"]
