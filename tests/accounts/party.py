"""A real OpenID provider in a process of its own, and a browser that goes between it and the app."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tests.accounts.house import House
from tests.examples.running import missing
from tests.http.api import Reply

FOLDER = Path(__file__).parents[1] / "providers"
CALLBACK = "https://api.example.org/auth/v1/callback"
PHONE = "http://127.0.0.1/app"
CLIENTS = [
    {"client_id": "backstay", "client_secret": "a secret/of+the tests", "redirect_uris": [CALLBACK]},
    {
        "client_id": "phone",
        "redirect_uris": [PHONE],
        "application_type": "native",
        "token_endpoint_auth_method": "none",
    },
]


@contextmanager
def running_provider() -> Iterator[str]:
    """The issuer of a provider that runs."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("node or npm is not installed")
    if not (FOLDER / "node_modules").is_dir():
        install = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(install, cwd=FOLDER, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            missing(f"npm ci failed: {done.stderr.strip()[-500:]}")
    command = ["node", "provider.mjs", json.dumps({"clients": CLIENTS})]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=FOLDER, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        issuer = process.stdout.readline().strip()
        if not issuer:
            pytest.fail("the provider did not start")
        yield issuer
        process.stdin.close()
        process.wait(timeout=60)


@dataclass
class Browser:
    """Cookies for the app, and an own client, with cookies, for the provider; redirects are followed by hand."""

    house: House
    cookies: dict[str, str] = field(default_factory=dict)
    #: Everything that the app has set, as it was written.
    set_cookies: list[str] = field(default_factory=list)
    agent: str = "Browser/1"

    def __post_init__(self) -> None:
        self.client = httpx2.Client(follow_redirects=False, trust_env=False, timeout=60)

    def at_app(self, method: str, path: str, **named: Any) -> Reply:
        """A request to the accounts API, with this browser's cookies."""
        headers = {"user-agent": self.agent, **named.pop("headers", {})}
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        reply = self.house.send(method, path, headers=headers, **named)
        for key, line in reply.headers:
            if key == b"set-cookie":
                raw = line.decode()
                self.set_cookies.append(raw)
                name, _, value = raw.partition(";")[0].partition("=")
                if value:
                    self.cookies[name] = value
                else:
                    self.cookies.pop(name, None)
        return reply

    def begin(self, query: str) -> str:
        """Follow the app's link to the provider: where that leads."""
        reply = self.at_app("GET", f"authorize?{query}")
        assert 302 == reply.status, reply.body
        return str(reply.one("location"))

    def sign_in_there(self, url: str, login: str) -> str:
        """Be *login* at the provider, and say yes to everything: where it sends the browser at last."""
        for _ in range(12):
            page = self.client.get(url) if not url.startswith((CALLBACK, PHONE)) else None
            if page is None:
                return url
            if page.is_redirect:
                url = str(page.url.join(page.headers["location"]))
                continue
            assert 200 == page.status_code, page.text
            form = re.search(r'action="([^"]+)"', page.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', page.text)
            assert form is not None, page.text
            assert prompt is not None, page.text
            data = {"prompt": prompt[1]} | ({"login": login, "password": "any"} if prompt[1] == "login" else {})
            posted = self.client.post(page.url.join(form[1]), data=data)
            url = str(posted.url.join(posted.headers["location"]))
        raise AssertionError("the provider sends round in circles")

    def come_back(self, url: str) -> tuple[str, dict[str, str]]:
        """Follow the provider's redirect to the app: where the app is, and what it is told."""
        reply = self.at_app("GET", f"callback?{urlsplit(url).query}")
        assert 303 == reply.status, reply.body
        return told(str(reply.one("location")))

    def dance(self, query: str, login: str) -> dict[str, str]:
        """All of it: what the app is told."""
        return self.come_back(self.sign_in_there(self.begin(query), login))[1]

    def close(self) -> None:
        self.client.close()


def told(location: str) -> tuple[str, dict[str, str]]:
    """Where a redirect to the app leads, and the parameters of its query and fragment."""
    parts = urlsplit(location)
    found = {**parse_qs(parts.query, keep_blank_values=True), **parse_qs(parts.fragment, keep_blank_values=True)}
    return f"{parts.scheme}://{parts.netloc}{parts.path}", {name: values[0] for name, values in found.items()}


def parameters(url: str) -> dict[str, str]:
    """The query of *url*."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
