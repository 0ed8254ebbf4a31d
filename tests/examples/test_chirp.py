"""Chirp through its real server: who sees what, what is refused, and how it starts and stops."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from examples.chirp.seed import PEOPLE, grow
from tests.examples.running import ROOT, free_port, new_database, running, stop, token, wait_until_open

ROWS = grow()
ADA, BEA = ROWS.profiles[0], ROWS.profiles[1]
PUBLIC = [post for post in ROWS.posts if post["public"]]


def caller(url: str, subject: Any = None) -> httpx.Client:
    """A client that speaks for *subject*, or for nobody."""
    bearer = token("anon") if subject is None else token("authenticated", str(subject))
    return httpx.Client(
        base_url=f"{url}/rest/v1",
        headers={"apikey": token("anon"), "Authorization": f"Bearer {bearer}"},
        timeout=60,
    )


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp(request.param)
    with new_database(request.param, folder) as database, running(database, folder / "server.log") as chirp:
        yield chirp.url


@pytest.fixture
def anon(url: str) -> Iterator[httpx.Client]:
    with caller(url) as client:
        yield client


@pytest.fixture
def ada(url: str) -> Iterator[httpx.Client]:
    with caller(url, ADA["id"]) as client:
        yield client


@pytest.fixture
def bea(url: str) -> Iterator[httpx.Client]:
    with caller(url, BEA["id"]) as client:
        yield client


def total(reply: httpx.Response) -> int:
    return int(reply.headers["content-range"].rpartition("/")[2])


def test_anyone_reads_public_posts_only(anon: httpx.Client) -> None:
    """An anonymous caller counts the public posts and is shown no other."""
    reply = anon.get("/posts?select=public&limit=1000", headers={"Prefer": "count=exact"})
    assert (206, {True}) == (reply.status_code, {row["public"] for row in reply.json()})
    assert len(PUBLIC) == total(reply)


def test_followers_read_the_rest(anon: httpx.Client, url: str) -> None:
    """A private post is there for its author and followers, and for nobody else."""
    post = next(p for p in ROWS.posts if not p["public"])
    followers = {f["follower_id"] for f in ROWS.follows if f["followee_id"] == post["author_id"]}
    stranger = next(p["id"] for p in ROWS.profiles if p["id"] not in followers | {post["author_id"]})
    for who, seen in ((post["author_id"], 1), (min(followers), 1), (stranger, 0)):
        with caller(url, who) as client:
            assert seen == len(client.get(f"/posts?id=eq.{post['id']}").json())
    assert [] == anon.get(f"/posts?id=eq.{post['id']}").json()


def test_an_address_is_its_owners(anon: httpx.Client, ada: httpx.Client) -> None:
    """An e-mail address is read by its owner alone; to everyone else the column is missing, in every clause."""
    assert [{"handle": ADA["handle"], "email": ADA["email"]}] == ada.get("/profiles?select=handle,email").json()
    assert {"id", "handle", "name", "joined_at"} == set(anon.get("/profiles?limit=1").json()[0])
    for query in (
        "select=email",
        "email=like.*",
        "order=email",
        "select=handle,posts!author_id(profiles!author_id(email))",
    ):
        assert (400, "42703") == (
            anon.get(f"/profiles?{query}").status_code,
            anon.get(f"/profiles?{query}").json()["code"],
        )


def test_people_write_their_own_posts(ada: httpx.Client, bea: httpx.Client, anon: httpx.Client) -> None:
    """Own posts can be written, changed and deleted; other people's not, and nobody's neither."""
    new = {"author_id": str(ADA["id"]), "body": "Hello, chirp", "public": False}
    made = ada.post("/posts", json=new, headers={"Prefer": "return=representation"})
    assert 201 == made.status_code
    where = f"/posts?id=eq.{made.json()[0]['id']}"
    assert (403, "42501") == _refused(bea.post("/posts", json=new))
    assert (401, "42501") == _refused(anon.post("/posts", json=new))
    returning = {"Prefer": "return=representation"}
    assert [] == bea.patch(where, json={"body": "Defaced"}, headers=returning).json()
    assert [] == bea.delete(where, headers=returning).json()
    changed = ada.patch(where, json={"body": "Hello, everyone", "public": True}, headers=returning).json()
    assert [("Hello, everyone", True)] == [(row["body"], row["public"]) for row in changed]
    assert "Hello, everyone" == anon.get(where).json()[0]["body"]
    assert 204 == ada.delete(where).status_code
    assert [] == ada.get(where).json()


def _refused(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


def test_a_post_has_280_characters_at_most(ada: httpx.Client) -> None:
    """280 characters of any alphabet are a post; 281 and none are not."""
    for body, status in (("🌊" * 280, 201), ("🌊" * 281, 400), ("", 400)):
        assert status == ada.post("/posts", json={"author_id": str(ADA["id"]), "body": body}).status_code
    ada.delete("/posts", params={"body": f"eq.{'🌊' * 280}"})


def test_bulk_is_all_or_nothing(ada: httpx.Client) -> None:
    """Five hundred posts go in with one request, and none of five hundred when one is refused or broken."""
    mine = [{"author_id": str(ADA["id"]), "body": f"bulk {number}"} for number in range(500)]
    count = {"Prefer": "count=exact"}
    hers, too_long = {"author_id": str(BEA["id"]), "body": "bulk"}, {"author_id": str(ADA["id"]), "body": "b" * 281}
    for broken, status in ((hers, 403), (too_long, 400)):
        assert status == ada.post("/posts", json=[*mine[:-1], broken]).status_code
        assert 0 == total(ada.head("/posts?body=like.bulk*", headers=count))
    assert 201 == ada.post("/posts", json=mine).status_code
    assert 500 == total(ada.head("/posts?body=like.bulk*", headers=count))
    assert 204 == ada.delete("/posts?body=like.bulk*").status_code


def test_a_like_happens_once_and_ends_with_its_post(ada: httpx.Client, bea: httpx.Client) -> None:
    """A like is one's own, liking twice is a conflict, and a deleted post takes its likes along."""
    post = ada.post(
        "/posts", json={"author_id": str(ADA["id"]), "body": "Like me"}, headers={"Prefer": "return=representation"}
    ).json()[0]
    like = {"profile_id": str(BEA["id"]), "post_id": post["id"]}
    assert (403, "42501") == _refused(ada.post("/likes", json=like))
    assert 201 == bea.post("/likes", json=like).status_code
    assert (409, "23505") == _refused(bea.post("/likes", json=like))
    assert 204 == ada.delete(f"/posts?id=eq.{post['id']}").status_code
    assert [] == bea.get(f"/likes?post_id=eq.{post['id']}").json()


def test_a_refused_like_says_nothing(ada: httpx.Client) -> None:
    """Liking a hidden post, a missing one, or in the name of somebody who does already: one and the same refusal."""
    readers = {f["followee_id"] for f in ROWS.follows if f["follower_id"] == ADA["id"]} | {ADA["id"]}
    hidden = next(p["id"] for p in ROWS.posts if not p["public"] and p["author_id"] not in readers)
    liked = next(row for row in ROWS.likes if row["profile_id"] != ADA["id"])
    answers = {
        _refused(ada.post("/likes", json={"profile_id": str(profile), "post_id": str(post)}))
        for profile, post in ((ADA["id"], hidden), (ADA["id"], ADA["id"]), (liked["profile_id"], liked["post_id"]))
    }
    assert {(403, "42501")} == answers


def test_a_call_is_counted_without_its_page(ada: httpx.Client) -> None:
    """count=exact of a function's rows is their number before limit and offset, as for a table."""
    whole = len(ada.post("/rpc/timeline", json={"count": 50}).json())
    page = ada.post("/rpc/timeline?limit=2&offset=1", json={"count": 50}, headers={"Prefer": "count=exact"})
    assert (206, 2, f"1-2/{whole}") == (page.status_code, len(page.json()), page.headers["content-range"])


def test_following_by_function(url: str) -> None:
    """follow and unfollow change what the caller may read; timeline shows those followed."""
    private = next(p for p in ROWS.posts if not p["public"])
    author = next(p for p in ROWS.profiles if p["id"] == private["author_id"])
    readers = {f["follower_id"] for f in ROWS.follows if f["followee_id"] == author["id"]} | {author["id"]}
    stranger = next(p["id"] for p in ROWS.profiles if p["id"] not in readers)
    with caller(url, stranger) as client:
        where = f"/posts?id=eq.{private['id']}"
        assert [] == client.get(where).json()
        follow = client.post("/rpc/follow", json={"handle": author["handle"]})
        assert (200, str(author["id"])) == (follow.status_code, follow.json()["followee_id"])
        assert 1 == len(client.get(where).json())
        followees = {f["followee_id"] for f in ROWS.follows if f["follower_id"] == stranger} | {author["id"], stranger}
        timeline = client.get("/rpc/timeline?count=50").json()
        assert [str(p["id"]) for p in reversed(ROWS.posts) if p["author_id"] in followees][:50] == [
            row["id"] for row in timeline
        ]
        assert (True, False) == tuple(
            client.post("/rpc/unfollow", json={"handle": author["handle"]}).json() for _ in range(2)
        )
        assert [] == client.get(where).json()


def test_functions_need_an_account(anon: httpx.Client) -> None:
    """Who has no account follows nobody: the function is not there for them."""
    reply = anon.post("/rpc/follow", json={"handle": ADA["handle"]})
    assert (404, "PGRST202") == _refused(reply)


def test_openapi_is_there(anon: httpx.Client, url: str) -> None:
    """The API describes itself at both addresses."""
    described = anon.get("/").json()
    assert "/posts" in "".join(described["paths"])
    assert httpx.get(f"{url}/openapi.json", timeout=60).json()["openapi"].startswith("3.1")


def _start(folder: Path, port: int) -> subprocess.Popen[str]:
    """`make demo`, without make."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BACKSTAY_")}
    return subprocess.Popen(
        [sys.executable, "-m", "examples.chirp", "--port", str(port), "--data", str(folder)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_demo_says_how_to_call_it_and_keeps_its_data(tmp_path: Path) -> None:
    """The first lines can be pasted; Ctrl-C ends it with 0 within seconds; the next start has its data."""
    port, data = free_port(), tmp_path / "data" / "chirp"
    process = _start(data, port)
    try:
        wait_until_open(process, port)
        exports = _exports(process)
        assert ["BACKSTAY_URL", "BACKSTAY_ANON_KEY", "BACKSTAY_USER_TOKEN"] == list(exports)[:3]
        assert f"http://127.0.0.1:{port}" == exports["BACKSTAY_URL"]
        assert stat.S_IMODE((data / "secret").stat().st_mode) == 0o600
        headers = {"apikey": exports["BACKSTAY_ANON_KEY"], "Authorization": f"Bearer {exports['BACKSTAY_USER_TOKEN']}"}
        with httpx.Client(base_url=exports["BACKSTAY_URL"], headers=headers, timeout=60) as client:
            new = {"author_id": str(ADA["id"]), "body": "Still here tomorrow"}
            assert 201 == client.post("/rest/v1/posts", json=new).status_code
        started = time.monotonic()
        assert 0 == stop(process)
        assert time.monotonic() - started < 5
    finally:
        stop(process)
    process = _start(data, port)
    try:
        wait_until_open(process, port)
        # The first start's token is good: the secret was kept, like the data.
        with httpx.Client(base_url=exports["BACKSTAY_URL"], headers=headers, timeout=60) as client:
            assert 1 == len(client.get("/rest/v1/posts?body=eq.Still here tomorrow").json())
            count = client.head("/rest/v1/profiles", headers={"Prefer": "count=exact"})
            assert PEOPLE == total(count)
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(timeout=60)
    finally:
        stop(process)


def _exports(process: subprocess.Popen[str]) -> dict[str, str]:
    """The ``export`` lines that it prints, the first of them first."""
    assert process.stdout is not None
    found: dict[str, str] = {}
    for number, line in enumerate(process.stdout):
        if match := re.fullmatch(r"export (\w+)=(\S+)\n", line):
            found[match[1]] = match[2]
        elif number < 3:
            pytest.fail(f"line {number + 1} cannot be pasted: {line!r}")
        if line.startswith("# The API"):
            break
    return found


def test_a_taken_port_names_a_way_out(tmp_path: Path) -> None:
    """One sentence, exit status 1, and the command that works; nothing was created."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = _start(tmp_path / "data", port)
        said = process.communicate(timeout=60)[0]
    assert 1 == process.returncode
    assert said.startswith(f"Port {port} of 127.0.0.1 is taken")
    assert f"make demo PORT={port + 1}" in said
    assert 1 == len(said.strip().splitlines())
    assert not (tmp_path / "data").exists()


def test_printed_calls_do_what_they_say(tmp_path: Path) -> None:
    """The curl calls of the greeting, run by a shell, read, write, are refused and sign up."""
    port = free_port()
    process = _start(tmp_path / "data", port)
    try:
        wait_until_open(process, port)
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("# The API"):
                break
        script = "".join(lines).replace("curl ", "curl -sS ").replace("\n# ", "\necho\n# ")
        done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=False, timeout=30)
        assert (0, "") == (done.returncode, done.stderr)
        answers = [json.loads(line) for line in done.stdout.splitlines() if line]
    finally:
        assert 0 == stop(process)
    newest, written, refused, session = answers
    assert [PUBLIC[-1 - n]["body"] for n in range(3)] == [row["body"] for row in newest]
    assert ["Hello from curl"] == [row["body"] for row in written]
    assert "42501" == refused["code"]
    assert ("you@example.org", "bearer") == (session["user"]["email"], session["token_type"])


def test_people_sign_up_and_in(anon: httpx.Client, url: str) -> None:
    """An account, its profile, a post in its own name, and a session after signing in again."""
    person = {"email": f"zoe{time.time_ns()}@example.org", "password": "a long passphrase of hers"}
    auth = httpx.Client(base_url=f"{url}/auth/v1", headers={"apikey": token("anon")}, timeout=60)
    session = auth.post("/signup", json=person).json()
    bearer = {"Authorization": f"Bearer {session['access_token']}"}
    handle = f"zoe_{session['user']['id'][:8]}"
    joined = anon.post("/rpc/join?select=id,email", json={"handle": handle, "name": "Zoë"}, headers=bearer)
    assert (200, session["user"]["id"], person["email"]) == (
        joined.status_code,
        joined.json()["id"],
        joined.json()["email"],
    )
    post = {"author_id": session["user"]["id"], "body": "First words"}
    assert 201 == anon.post("/posts", json=post, headers=bearer).status_code
    taken = anon.post("/rpc/join", json={"handle": handle, "name": "Zoë"}, headers=bearer)
    assert (409, "23505") == _refused(taken)
    again = auth.post("/token?grant_type=password", json=person).json()
    assert 204 == auth.post("/logout?scope=local", headers=bearer).status_code
    assert 401 == anon.get("/posts?limit=1", headers=bearer).status_code
    bearer = {"Authorization": f"Bearer {again['access_token']}"}
    assert ["First words"] == [
        row["body"] for row in anon.get(f"/posts?author_id=eq.{post['author_id']}", headers=bearer).json()
    ]
    for row in anon.get(f"/posts?author_id=eq.{post['author_id']}&select=id", headers=bearer).json():
        anon.delete(f"/posts?id=eq.{row['id']}", headers=bearer)
    auth.close()
