"""The description over HTTP: who gets which, and that it is true."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from backstay import Backstay, Settings
from tests.examples.running import SECRET, token
from tests.http import zoo
from tests.http.client import Answer, Client

URLS = ("/openapi.json", "/rest/v1/", "/rest/v1")
JSON = (b"content-type", b"application/json")


def header(role: str, subject: str | None = None) -> tuple[bytes, bytes]:
    return (b"authorization", f"Bearer {token(role, subject)}".encode())


USER = header("authenticated", str(zoo.OWNER))
SERVICE = header("service_role")
CALLERS: dict[str, tuple[tuple[bytes, bytes], ...]] = {"anonymous": (), "user": (USER,), "service": (SERVICE,)}


def zoo_app(folder: Path, **settings: Any) -> Backstay:
    return Backstay(
        models=zoo.Zoo,
        policies=[zoo.badges, zoo.everyone_watches, zoo.own_animals, zoo.own_changes, zoo.visits],
        functions=[zoo.feed, zoo.census, zoo.tamest, zoo.one, zoo.wave, zoo.unlock],
        settings=Settings(database=f"sqlite:///{folder / 'zoo.db'}", jwt_secret=SECRET, **settings),
        title="Zoo",
        version="2.1.0",
    )


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    await zoo.plant(f"sqlite:///{tmp_path / 'zoo.db'}")
    async with zoo_app(tmp_path).started() as app:
        yield Client(app)


async def document(client: Client, who: str = "service") -> dict[str, Any]:
    answer = await client.ask("GET", "/openapi.json", *CALLERS[who])
    assert 200 == answer.status
    return dict(json.loads(answer.body))


@pytest.mark.parametrize("who", CALLERS)
async def test_document_is_valid(client: Client, who: str) -> None:
    """The standard's own schema, and that of JSON Schema, find nothing wrong with anybody's document."""
    described = await document(client, who)
    assert [] == [error.message for error in OpenAPIV31SpecValidator(described).iter_errors()]
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    operations = [o for item in described["paths"].values() for verb, o in item.items() if verb != "parameters"]
    assert len(operations) == len({operation["operationId"] for operation in operations})


@pytest.mark.parametrize("url", URLS)
async def test_it_is_the_same_everywhere(client: Client, url: str) -> None:
    """One document at three addresses, as OpenAPI for whoever accepts JSON or anything."""
    expected = (await client.ask("GET", "/openapi.json", USER)).body
    for accept in ("application/openapi+json", "application/json", "*/*", "text/html,*/*;q=0.8"):
        answer = await client.ask("GET", url, USER, (b"accept", accept.encode()))
        assert (200, "application/openapi+json; charset=utf-8") == (answer.status, answer.one("content-type"))
        assert expected == answer.body


@pytest.mark.parametrize("url", URLS)
async def test_other_requests_for_it(client: Client, url: str) -> None:
    """HEAD has no body, OPTIONS names the verbs, another type is 406 and another verb 405."""
    head = await client.ask("HEAD", url)
    assert (200, b"", "application/openapi+json; charset=utf-8") == (head.status, head.body, head.one("content-type"))
    options = await client.ask("OPTIONS", url)
    assert (200, "OPTIONS,GET,HEAD") == (options.status, options.one("allow"))
    refused = await client.ask("GET", url, (b"accept", b"text/csv"))
    assert (406, "PGRST107") == (refused.status, refused.error["code"])
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        refused = await client.ask(method, url, JSON, body=b"{}")
        assert (405, "PGRST117") == (refused.status, refused.error["code"])
    unknown = await client.ask("GET", url, (b"accept-profile", b"private"))
    assert (406, "PGRST106") == (unknown.status, unknown.error["code"])


async def test_bad_tokens_get_nothing(client: Client) -> None:
    """``/openapi.json`` is behind the same token check as the data."""
    answer = await client.ask("GET", "/openapi.json", (b"authorization", b"Bearer a.b.c"))
    assert (401, "PGRST301") == (answer.status, answer.error["code"])


async def test_pages_of_other_origins_read_it(client: Client) -> None:
    """CORS is that of the data plane, and no cache keeps what depends on the caller."""
    answer = await client.ask("GET", "/openapi.json", (b"origin", b"https://a.example"))
    assert "*" == answer.one("access-control-allow-origin")
    assert "no-store" == answer.one("cache-control")
    preflight = (b"origin", b"https://a.example"), (b"access-control-request-method", b"GET")
    assert 204 == (await client.ask("OPTIONS", "/openapi.json", *preflight)).status


async def test_it_says_what_the_app_says(client: Client) -> None:
    """Title and version are the app's, and the server is where it is mounted."""
    described = await document(client)
    assert ("Zoo", "2.1.0", [{"url": "/rest/v1"}]) == (
        described["info"]["title"],
        described["info"]["version"],
        described["servers"],
    )
    answer = await client.ask("GET", "/api/openapi.json", root_path="/api")
    assert [{"url": "/api/rest/v1"}] == json.loads(answer.body)["servers"]


@pytest.mark.parametrize(
    ("who", "operations"),
    [
        (
            "anonymous",
            {
                "/": "get",
                "/keepers": "get",
                "/keepers/{id}": "get",
                "/animals": "get",
                "/animals/{id}": "get",
                "/batch": "post",
                "/rpc/census": "get post",
                "/rpc/tamest": "get post",
                "/rpc/one": "get post",
            },
        ),
        (
            "user",
            {
                "/": "get",
                "/keepers": "get",
                "/keepers/{id}": "get",
                "/animals": "get post put patch delete",
                "/animals/{id}": "get put patch delete",
                "/zoo%20visits": "get post",
                "/zoo%20visits/{animal_id},{day}": "get",
                "/batch": "post",
                "/rpc/feed": "post",
                "/rpc/census": "get post",
                "/rpc/tamest": "get post",
                "/rpc/one": "get post",
                "/rpc/wave": "post",
            },
        ),
    ],
)
async def test_operations_are_those_of_the_caller(client: Client, who: str, operations: dict[str, str]) -> None:
    """AC12: an operation that no rule opens to the caller is not there."""
    described = await document(client, who)
    found = {path: [verb for verb in item if verb != "parameters"] for path, item in described["paths"].items()}
    assert operations == {path: " ".join(verbs) for path, verbs in found.items()}


@pytest.mark.parametrize(
    ("who", "hidden"),
    [
        ("anonymous", ["wage", "vet_note", "ledger", "visits", "feed", "Meal", "Bill", "wave", "unlock", "insert"]),
        ("user", ["wage", "vet_note", "ledger", "unlock", "door", "Changes to Keeper"]),
    ],
)
async def test_hidden_names_are_nowhere(client: Client, who: str, hidden: list[str]) -> None:
    """AC12: what the caller may not use is named nowhere in the text; the service role sees all of it."""
    text = json.dumps(await document(client, who))
    assert [] == [name for name in hidden if re.search(rf"(?<![a-z]){name}(?![a-z])", text)]
    everything = json.dumps(await document(client))
    assert hidden == [name for name in hidden if re.search(rf"(?<![a-z]){name}(?![a-z])", everything)]


async def test_roles_have_documents_of_their_own(client: Client) -> None:
    """A document is remembered for each kind of principal, and for no other one."""
    paths = [
        "/rpc/unlock" in json.loads((await client.ask("GET", "/openapi.json", *who)).body)["paths"]
        for who in ((), (header("keeper_of_keys", "7"),), (USER,), (header("keeper_of_keys", "8"),), ())
    ]
    assert [False, True, False, True, False] == paths


@pytest.mark.parametrize("url", URLS)
async def test_production_says_nothing_to_strangers(tmp_path: Path, url: str) -> None:
    """WB8: with the profile prod anonymous callers get no description, with or without the public key."""
    async with zoo_app(tmp_path, profile="prod").started() as app:
        for credentials in ((), (header("anon"),)):
            answer = await Client(app).ask("GET", url, *credentials)
            assert (404, "PGRST126") == (answer.status, answer.error["code"])
        for credentials in ((USER,), (SERVICE,)):
            assert 200 == (await Client(app).ask("GET", url, *credentials)).status


def conforms(described: dict[str, Any], path: str, method: str, answer: Answer) -> Any:
    """The body of *answer*, after a look at whether the document says so."""
    responses = described["paths"][path][method]["responses"]
    response = responses.get(str(answer.status), responses["default"])
    if "$ref" in response:
        response = described["components"]["responses"][response["$ref"].rpartition("/")[2]]
    media = str(answer.one("content-type")).partition(";")[0]
    schema = response["content"][media]["schema"]
    # The components come along, for the references that begin with "#/components".
    whole = {**schema, "components": described["components"]}
    body = json.loads(answer.body)
    Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(body)
    return body


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize(
    ("method", "url", "body", "statuses"),
    [
        ("GET", "/animals", None, {200}),
        ("GET", "/animals?limit=1", None, {206}),
        ("GET", "/keepers", None, {200}),
        ("GET", "/animals?vet_note=eq.1", None, {400, 200}),
        ("GET", "/animals?id=lt.x", None, {400}),
        ("POST", "/animals", {"keeper_id": str(zoo.OWNER), "name": "Mo", "marks": [1]}, {201, 401}),
        ("POST", "/animals", {"keeper_id": str(zoo.OWNER), "nope": 1}, {400, 401}),
        ("PATCH", "/animals?id=eq.2", {"legs": 3}, {200, 401}),
        ("PUT", "/animals?id=eq.2", {"id": 2, "keeper_id": str(zoo.OWNER), "name": "Bo", "legs": 2}, {200, 401, 409}),
        ("DELETE", "/animals?id=eq.2", None, {200, 401}),
        ("GET", "/animals/{id}=1", None, {200}),
        ("GET", "/animals/{id}=99", None, {404}),
        ("GET", "/animals/{id}=x", None, {404}),
        ("PATCH", "/animals/{id}=2", {"legs": 3}, {200, 401}),
        ("PATCH", "/animals/{id}=2", {"legs": "many"}, {400, 401}),
        ("PATCH", "/animals/{id}=99", {"legs": 3}, {404, 401}),
        ("PUT", "/animals/{id}=2", {"id": 2, "keeper_id": str(zoo.OWNER), "name": "Bo"}, {200, 401, 409}),
        ("PUT", "/animals/{id}=7", {"id": 7, "keeper_id": str(zoo.OWNER), "name": "Cy"}, {201, 401, 403}),
        ("DELETE", "/animals/{id}=2", None, {200, 401}),
        ("POST", "/batch", [{"path": "animals/1"}, {"path": "keepers", "query": {"select": "name"}}], {200}),
        ("POST", "/batch", [{"path": "nowhere"}], {404}),
        ("POST", "/batch", [{"nowhere": 1}], {400}),
        ("GET", "/rpc/tamest", None, {200}),
        ("GET", "/rpc/one?id=1", None, {200}),
        ("GET", "/rpc/one?id=999", None, {200}),
        ("GET", "/rpc/census?tags={a,b}&least=2", None, {200}),
        ("POST", "/rpc/feed", {"animal": 1, "meals": [{"food": "hay", "kilos": "2.5"}]}, {200, 404}),
        ("POST", "/rpc/feed", {"animal": "x", "meals": 1}, {400, 404}),
    ],
)
async def test_answers_conform(client: Client, who: str, method: str, url: str, body: Any, statuses: set[int]) -> None:
    """What really comes back, errors included, is what the document of the caller (or of the service role) says."""
    path = url.partition("?")[0].partition("=")[0]
    url = url.replace("{id}=", "")
    described = await document(client, who)
    if method.lower() not in described["paths"].get(path, {}):
        described = await document(client)
    prefer = (b"prefer", b"count=exact" if "limit" in url else b"return=representation")
    sent = b"" if body is None else json.dumps(body).encode()
    answer = await client.ask(method, "/rest/v1" + url, prefer, JSON, *CALLERS[who], body=sent)
    assert answer.status in statuses, answer.body
    conforms(described, path, method.lower(), answer)


@pytest.mark.parametrize("url", ["/animals", "/animals/1"])
async def test_headers_of_answers_conform(client: Client, url: str) -> None:
    """Every header that an operation names has the form that the document says, and a 304 has no body."""
    accept = (b"accept", b"application/vnd.pgrst.object+json")
    asked = f"/rest/v1{url}" + ("?id=eq.1" if url == "/animals" else "")
    described = await document(client, "anonymous")
    responses = described["paths"][url.replace("1", "{id}")]["get"]["responses"]
    first = await client.ask("GET", asked, accept)
    assert first.one("etag") is not None
    assert "ETag" in responses["200"]["headers"]
    again = await client.ask("GET", asked, accept, (b"if-none-match", str(first.one("etag")).encode()))
    assert (304, b"") == (again.status, again.body)
    assert "content" not in responses["304"]


async def test_pages_and_lines_conform(client: Client) -> None:
    """A page by key has the ``Link`` that is told, and its cursor the form; rows as lines have their type."""
    described = await document(client, "anonymous")
    operation = described["paths"]["/animals"]["get"]
    page = await client.ask("GET", "/rest/v1/animals?limit=1", (b"prefer", b"page=keyset"))
    conforms(described, "/animals", "get", page)
    assert "Link" in operation["responses"]["200"]["headers"]
    cursor = re.search(r"cursor=([^&>]+)", str(page.one("link")))
    assert cursor is not None
    assert re.fullmatch(described["components"]["parameters"]["cursor"]["schema"]["pattern"], cursor[1])
    lines = await client.ask("GET", "/rest/v1/animals", (b"accept", b"application/x-ndjson"))
    assert str(lines.one("content-type")).partition(";")[0] in operation["responses"]["200"]["content"]
    row = {**described["components"]["schemas"]["animals"], "components": described["components"]}
    for line in lines.body.splitlines():
        Draft202012Validator(row).validate(json.loads(line))


async def test_a_single_object_conforms(client: Client) -> None:
    """The representation of one row has the schema of a row."""
    accept = (b"accept", b"application/vnd.pgrst.object+json")
    answer = await client.ask("GET", "/rest/v1/animals?id=eq.1", accept)
    row = conforms(await document(client, "anonymous"), "/animals", "get", answer)
    assert ("Leo", "meat", 1234.5, "\\x01ff") == (row["name"], row["diet"], row["price"], row["print"])


async def test_nonconforming_answers_would_be_seen(client: Client) -> None:
    """The check above can fail: a row without a promised column, or with another type, is refused."""
    described = await document(client)
    validator = Draft202012Validator(described["components"]["schemas"]["keepers"])
    good = {"id": str(zoo.OWNER), "name": "Ann", "wage": None}
    assert validator.is_valid(good)
    assert not validator.is_valid({**good, "name": 1})
    assert not validator.is_valid({"id": str(zoo.OWNER)})


async def test_the_grammar_of_filters_is_the_parsers(client: Client) -> None:
    """The pattern of filters takes what the server takes, and refuses what it refuses."""
    pattern = re.compile((await document(client))["components"]["schemas"]["rest.filter"]["pattern"])
    for text in ("eq.1", "not.is.null", "in.(1,2)", "gt(any).{1,2}", "isdistinct.1", "is.not_null"):
        answer = await client.ask("GET", f"/rest/v1/animals?legs={text}")
        assert (200, True) == (answer.status, bool(pattern.search(text))), text
    for text in ("1", "eq", "is.nothing", "in.1", "foo.1", "neq(any).{1}", "not.not.eq.1", "eq(english).1"):
        answer = await client.ask("GET", f"/rest/v1/animals?legs={text}")
        assert (400, False) == (answer.status, bool(pattern.search(text))), text
