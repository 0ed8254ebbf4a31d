"""S8: a stored answer is given to nobody but the caller it was made for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import OctKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Me, Settings, allow, function
from backstay.crypt import Keyring
from backstay.pipeline import DataRequest, idempotency
from backstay.pipeline.etag import etag_of, tagging_key
from backstay.policy import ANONYMOUS, Caller
from tests.http.api import Api, Reply, opened, quick_folder
from tests.http.shop_app import SECRET

KEYRING = Keyring.parse("2026-11:" + "0123456789abcdef" * 4)
ANN = {"sub": "1", "role": "authenticated", "org": 1}


class Base(DeclarativeBase):
    pass


class Invoice(Base):
    """What one organisation sees of its own."""

    __tablename__ = "invoices"
    id: Mapped[int] = mapped_column(primary_key=True)
    org: Mapped[int]
    text: Mapped[str]


@allow("read", "create", "update", Invoice)
def own_invoices(me: Me) -> Any:
    """Invoices are their organisation's."""
    return Invoice.org == me.claim("org")


@allow("read", "create", Invoice, to="auditor")
def audited(me: Me) -> Any:
    """Auditors work with a second factor."""
    return me.aal == "aal2"


@allow("read", "create", Invoice, to="anon")
def public(me: Me) -> Any:
    """Invoices of nobody's organisation are everybody's."""
    return Invoice.org == 0


@function(to=["authenticated", "anon"])
def whose(me: Caller) -> Any:
    """A claim that no rule reads."""
    return me.claim("plan")


def app(url: str, **options: Any) -> Backstay:
    return Backstay(
        models=Base,
        policies=[own_invoices, audited, public],
        functions=[whose],
        settings=Settings(database=url, jwt_secret=SECRET, accounts=False, **options),
    )


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_office(request: pytest.FixtureRequest) -> Iterator[Api]:
    rows = {"invoices": [{"id": 1, "org": 1, "text": "first"}]}
    with quick_folder() as folder, opened(request.param, folder, app, rows, "invoices") as api:
        yield api


@pytest.fixture
def office(opened_office: Api) -> Api:
    api = opened_office.clean()

    async def forget() -> None:
        async with api.app.session() as session:
            await session.execute(idempotency.KEPT.delete())

    api.loop.run_until_complete(forget())
    return api


WRITING = [{"method": "POST", "path": "invoices", "body": {"org": 0, "text": "x"}}]


def bearer(claims: Mapping[str, Any], **more: Any) -> str:
    told = {"exp": int(time.time()) + 3600, **claims, **more}
    return "Bearer " + jwt.encode({"alg": "HS256"}, told, OctKey.import_key(SECRET))


def post(api: Api, claims: Mapping[str, Any] | None, body: Any, path: str = "invoices", **named: Any) -> Reply:
    headers = {} if claims is None else {"authorization": bearer(claims)}
    return api.post(path, body, headers={**headers, "idempotency-key": "k", "prefer": "return=representation"}, **named)


@pytest.mark.parametrize(
    "other",
    [
        {**ANN, "sub": "2"},
        {**ANN, "org": 2},
        {**ANN, "aal": "aal2"},
        {**ANN, "role": "auditor"},
        {**ANN, "role": "auditor", "aal": "aal2"},
        {"role": "service_role"},
        {"sub": "1", "role": "service_role", "org": 1},
    ],
    ids=["id", "claim", "aal", "role", "both", "service", "service of the same id"],
)
def test_every_fact_tells_callers_apart(office: Api, other: Mapping[str, Any]) -> None:
    """S8: who differs in one fact that a rule may read never gets the other one's answer, whoever comes first."""
    body = {"org": 1, "text": "of org 1"}
    first = post(office, ANN, body)
    assert 201 == first.status, first.body
    second = post(office, other, body)
    assert None is second.one("idempotency-replayed")
    may = other["role"] == "service_role" or other.get("org") == 1 or other.get("aal") == "aal2"
    assert (201 if may else 403) == second.status, second.body
    # And the first one gets its own answer still.
    again = post(office, ANN, body)
    assert (first.body, "true") == (again.body, again.one("idempotency-replayed"))


def test_a_refreshed_token_is_the_same_caller(office: Api) -> None:
    """S8: what is new in each token of one caller tells nobody apart, or no retry would survive a refresh."""
    body = {"org": 1, "text": "x"}
    first = post(office, {**ANN, "iat": 1, "jti": "a", "user_metadata": {"theme": "dark"}}, body)
    second = post(office, {**ANN, "iat": 2, "jti": "b", "exp": int(time.time()) + 9, "user_metadata": {}}, body)
    assert (201, first.body, "true") == (first.status, second.body, second.one("idempotency-replayed"))


def test_a_function_may_read_any_claim(office: Api) -> None:
    """S8: an answer of a function depends on claims that no rule names."""
    first = post(office, {**ANN, "plan": "gold"}, {}, "rpc/whose")
    second = post(office, {**ANN, "plan": "free"}, {}, "rpc/whose")
    third = post(office, {**ANN, "plan": "gold", "iat": 5}, {}, "rpc/whose")
    assert ([b'"gold"', b'"free"', b'"gold"'], [None, None, "true"]) == (
        [reply.body for reply in (first, second, third)],
        [reply.one("idempotency-replayed") for reply in (first, second, third)],
    )


def test_a_function_in_a_batch_may_read_any_claim(office: Api) -> None:
    """S8: a batch that calls a function is told apart as the call is."""
    batch = [{"method": "POST", "path": "rpc/whose", "body": {}}]
    first = post(office, {**ANN, "plan": "gold"}, batch, "batch")
    second = post(office, {**ANN, "plan": "free"}, batch, "batch")
    assert (b"gold" in first.body, b"free" in second.body) == (True, True), (first.body, second.body)


@pytest.mark.parametrize("claims", [None, {"role": "anon"}], ids=["no token", "the token of nobody"])
@pytest.mark.parametrize(
    ("path", "body"), [("invoices", {"org": 0, "text": "x"}), ("rpc/whose", {}), ("batch", WRITING)]
)
def test_nobody_has_no_keys(office: Api, claims: Any, path: str, body: Any) -> None:
    """S8: all anonymous callers look alike, so a key of one would be a key of all: it is refused, and nothing done."""
    reply = post(office, claims, body, path)
    assert (400, "BST400") == (reply.status, reply.code)
    assert [] == office.rows("invoices?org=eq.0")
    assert 201 == office.post("invoices", {"org": 0, "text": "without a key"}).status


def test_a_token_without_an_account_is_itself(office: Api) -> None:
    """S8: two tokens of a role without an account are two callers, and one of them sent twice is one."""
    one, two = {"role": "service_role", "iat": 1, "exp": 4_000_000_000}, {"role": "service_role", "iat": 2}
    body = {"org": 5, "text": "x"}
    first, second, third = post(office, one, body), post(office, two, body), post(office, one, body)
    assert [201, 201, 201] == [first.status, second.status, third.status]
    assert [None, None, "true"] == [reply.one("idempotency-replayed") for reply in (first, second, third)]


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("content-type", "text/csv"),
        ("prefer", "return=minimal"),
        ("accept", "application/vnd.pgrst.object+json"),
        ("range", "0-0"),
        ("if-none-match", "*"),
    ],
)
def test_all_that_decides_the_answer_is_the_request(office: Api, header: str, value: str) -> None:
    """S8: the key with another header that changes the effect or the answer is another request: 422, nothing done."""
    named: dict[str, Any] = {"as_": "ann", "idempotency_key": "k", "body": b'{"org":1,"text":"x"}'}
    headers = {
        "authorization": bearer(ANN),
        "content-type": "application/json",
        "accept": "application/json",
        "prefer": "return=representation",
    }
    del named["as_"]
    first = office.send("POST", "invoices", headers=headers, **named)
    assert 201 == first.status, first.body
    second = office.send("POST", "invoices", headers={**headers, header: value}, **named)
    assert (422, "BST4221") == (second.status, second.code), second.body
    assert 1 == len(office.rows("invoices?text=eq.x"))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("keyring", [None, KEYRING], ids=["plain", "sealed"])
def test_a_column_hidden_meanwhile_is_not_shown(kind: str, keyring: Keyring | None) -> None:
    """S8: after a deployment whose rules show fewer columns the same caller gets 422, and the row is there once."""

    @allow("read", Invoice, columns=["id", "org"])
    def fewer(me: Me) -> Any:
        """Texts are hidden now."""
        return Invoice.org == me.claim("org")

    @allow("create", Invoice)
    def made(me: Me) -> Any:
        """Its own."""
        return Invoice.org == me.claim("org")

    def first_one(url: str) -> Backstay:
        return app(url, encryption_keys=keyring)

    with quick_folder() as folder, opened(kind, folder, first_one, {}, "hidden") as api:
        first = post(api, ANN, {"org": 1, "text": "secret"})
        assert b"secret" in first.body
        assert "true" == post(api, ANN, {"org": 1, "text": "secret"}).one("idempotency-replayed")
        settings: Any = api.app._given
        newer = Backstay(models=Base, policies=[fewer, made], settings=settings)
        started = newer.started()
        api.loop.run_until_complete(started.__aenter__())
        try:
            reply = post(Api(kind, newer, api.loop, lambda: None), ANN, {"org": 1, "text": "secret"})
            assert (422, "BST4221") == (reply.status, reply.code)
            assert b"secret" not in reply.body
        finally:
            api.loop.run_until_complete(started.__aexit__(None, None, None))
        assert 1 == len(api.rows("invoices?text=eq.secret"))


def test_callers_take_turns(office: Api) -> None:
    """AC16, S8: whatever is remembered of a request is not remembered of its caller: turns change no answer."""
    office.post("invoices", [{"id": 2, "org": 2, "text": "second"}, {"id": 3, "org": 0, "text": "x"}], as_="svc")
    asked: list[tuple[str, str, dict[str, str]]] = [
        ("GET", "invoices?select=id,text&order=id", {}),
        ("GET", "invoices?order=id&limit=1", {"prefer": "count=exact"}),
        ("GET", "invoices?order=id", {"prefer": "page=keyset"}),
        ("GET", "invoices/1", {}),
        ("GET", "invoices/2", {}),
        ("HEAD", "invoices", {"prefer": "count=planned"}),
        ("GET", "invoices", {"accept": "text/csv"}),
        ("GET", "invoices", {"accept": "application/x-ndjson"}),
        ("GET", "", {}),
        ("OPTIONS", "invoices", {}),
        ("POST", "rpc/whose", {}),
    ]
    callers: list[dict[str, Any] | None] = [
        {**ANN, "plan": "gold"},
        {**ANN, "org": 2, "plan": "free"},
        {**ANN, "sub": "2", "role": "auditor", "aal": "aal2"},
        {**ANN, "sub": "2", "role": "auditor", "aal": "aal1"},
        None,
        {"role": "service_role"},
    ]

    def answer(at: int, method: str, path: str, headers: dict[str, str]) -> Any:
        claims = callers[at]
        own = {} if claims is None else {"authorization": bearer(claims)}
        reply = office.send(method, path, headers={**own, **headers})
        return reply.status, reply.body, reply.range, reply.one("etag"), reply.one("link")

    alone = {at: [answer(at, *one) for one in asked] for at in range(len(callers))}
    for turn in range(2):
        for number, one in enumerate(asked):
            for at in sorted(alone, reverse=bool(turn)):
                assert alone[at][number] == answer(at, *one), (callers[at], one)
    # And they differ, so that a mix-up would be seen.
    assert 4 == len({str(answers[0]) for answers in alone.values()})


def test_nothing_is_kept_in_clear() -> None:
    """A7: with the operator's keys neither the answer, its headers nor what was sent can be read or tried out."""

    def sealed(url: str) -> Backstay:
        return app(url, encryption_keys=KEYRING)

    body = {"id": 9, "org": 1, "text": "low entropy"}
    with quick_folder() as folder, opened("sqlite", folder, sealed, {}, "kept") as api:
        reply = post(api, ANN, body, accept="application/vnd.pgrst.object+json")
        assert 201 == reply.status, reply.body

        async def look() -> Any:
            async with api.app.session() as session:
                return (await session.execute(sa.select(idempotency.KEPT))).one()

        row = api.loop.run_until_complete(look())
        assert ("", 201) == (row.headers, row.status)
        assert [False] * 3 == [text in row.body for text in (b"low entropy", b"content-type", b"/rest/v1")]
        request = DataRequest(
            "POST",
            "invoices",
            b"",
            {
                b"content-type": b"application/json",
                b"prefer": b"return=representation",
                b"accept": b"application/vnd.pgrst.object+json",
            },
            json.dumps(body).encode(),
            ANONYMOUS,
            raw_path=b"/rest/v1/invoices",
        )
        assert row.fingerprint == idempotency._fingerprint(request, KEYRING.derive("idempotency"))
        assert row.fingerprint != idempotency._fingerprint(request, b"")


def test_tags_are_keyed() -> None:
    """A7: whoever reads a tag cannot try out the values that give it; without keys there is nothing encrypted."""
    body = b'{"ssn":"078-05-1120"}'
    tags = {etag_of(body, None, tagging_key(keys)) for keys in (None, KEYRING, Keyring(KEYRING.keys[::-1]))}
    assert {etag_of(body, None), etag_of(body, None, KEYRING.derive("etag"))} == tags
    assert 2 == len(tags)
