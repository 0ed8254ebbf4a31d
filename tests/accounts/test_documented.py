"""SE3: what the how-to about administering accounts has for curl, done as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from string import Template
from typing import Any

import pytest

from backstay.auth.admin.first import appoint
from backstay.auth.route import AuthRequest
from backstay.auth.session import Device
from backstay.policy.principal import ANONYMOUS
from tests.accounts.house import House
from tests.accounts.test_factors import code
from tests.accounts.test_mails import query_of

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "administer.md"


def calls() -> list[str]:
    """Each ``curl`` of the page."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("curl ")]


def curl(house: House, command: str, variables: dict[str, str]) -> Any:
    """What ``curl`` would send, sent."""
    method, headers, body, url = "", {}, None, ""
    words = iter(shlex.split(Template(command).substitute(variables))[1:])
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name.lower()] = value
            case "--json":
                body = next(words).encode()
            case _:
                url = word
    headers["content-type"] = "application/json"
    assert url.startswith("http://127.0.0.1:8000/auth/v1/")
    path = url.removeprefix("http://127.0.0.1:8000/auth/v1/")
    return house.send(method or ("GET" if body is None else "POST"), path, body, headers=headers)


@pytest.mark.settings(rate_limits="off")
def test_the_first_administrator_by_curl(house: House) -> None:
    """SE3, MF6: from the link to the list of accounts; before the second factor the role administers nothing."""
    asked = AuthRequest("", {}, {}, {}, None, ANONYMOUS, Device("", "backstay"))
    link = house.run(appoint(asked, house.office.accounts, "boss@example.org"))["link"]
    variables = {"API": "http://127.0.0.1:8000", "TOKEN": query_of(link)["token"]}
    listed: Any = None
    for number, command in enumerate(calls()):
        reply = curl(house, command, variables)
        assert 200 == reply.status, (command, reply.body)
        match number, reply.json:
            case 0, {"access_token": token}:
                variables["ACCESS"] = token
            case 1, _:
                assert 403 == house.get("admin/users", as_=variables["ACCESS"]).status
            case 2, {"id": id, "totp": {"secret": secret, "qr_code": _}}:
                variables |= {"FACTOR": id, "CODE": code(house, secret)}
            case 3, {"id": id}:
                variables["CHALLENGE"] = id
            case 4, {"access_token": token}:
                variables["ADMIN"] = token
            case 5, {"users": users}:
                listed = [user["email"] for user in users]
    assert ["boss@example.org"] == listed
