"""A number that we have answered goes on with every digit: into the next statement, a header, another form."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.http.api import Api, Reply, opened, quick_folder
from tests.http.scales_app import SCALES, scales

#: More digits than a double has, and more than an integer of 64 bits.
LONG = "12345678901234567.8901"
WHOLE = "123456789012345678901234567890.0000"
BACK = '"headers": {"prefer": "return=representation"}'


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_scales(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, scales, SCALES, "scales") as api:
        yield api


@pytest.fixture
def weights(opened_scales: Api) -> Api:
    """The scales, empty, on SQLite and on PostgreSQL."""
    return opened_scales.clean()


def sent(api: Api, path: str, body: str, **named: str) -> Reply:
    """*body* as it is written: Python's own JSON would not keep the digits."""
    return api.send("POST", path, as_="ann", body=body.encode(), content_type="application/json", **named)


def plain(reply: Reply) -> str:
    """The body without the spaces that one database writes and the other does not."""
    return reply.body.decode().replace(" ", "")


@pytest.mark.parametrize("number", [LONG, WHOLE, "-0.0001", "7.5000", "9223372036854775808.0000"])
def test_a_reference_carries_every_digit(weights: Api, number: str) -> None:
    """What operation 0 returned, operation 1 writes."""
    reply = sent(
        weights,
        "batch",
        f"""[{{"method": "POST", "path": "weights?select=grams", {BACK}, "body": {{"id": 1, "grams": "{number}"}}}},
            {{"method": "POST", "path": "weights?select=grams", {BACK}, "body": {{"id": 2, "grams": {{"$ref": "0.grams"}}}}}}]""",
    )
    assert 200 == reply.status, reply.body
    assert 2 == plain(reply).count(f'[{{"grams":{number}}}]'), reply.body


def test_a_reference_carries_what_is_inside_of_json(weights: Api) -> None:
    """So it is with a whole document, and with a list."""
    about = f'{{"a": [{LONG}, {{"b": 0.10}}]}}'
    reply = sent(
        weights,
        "batch",
        f"""[{{"method": "POST", "path": "weights?select=about,many", {BACK},
               "body": {{"id": 1, "about": {about}, "many": [{LONG}, "{WHOLE[-25:]}"]}}}},
            {{"method": "POST", "path": "weights?select=about,many", {BACK},
              "body": {{"id": 2, "about": {{"$ref": "0.about"}}, "many": {{"$ref": "0.many"}}}}}}]""",
    )
    assert 200 == reply.status, reply.body
    assert 2 == plain(reply).count('"about":' + about.replace(" ", "")), reply.body
    assert 2 == plain(reply).count(f'"many":[{LONG},{WHOLE[-25:]}]'), reply.body


@pytest.mark.parametrize("number", [LONG, WHOLE])
def test_the_keys_of_a_nested_insert_keep_every_digit(weights: Api, number: str) -> None:
    """A child refers to its own parent, above it and below it, and no other that is near."""
    sent(weights, "scales", '{"id": "12345678901234568.0000"}')
    below = sent(
        weights, "scales?select=id,weights(scale_id)", f'{{"id": "{number}", "weights": [{{"id": 1}}]}}',
        prefer="return=representation",
    )  # fmt: skip
    assert (201, f'[{{"id":{number},"weights":[{{"scale_id":{number}}}]}}]') == (below.status, plain(below))
    near = f"{number[:-1]}9"
    above = sent(
        weights, "weights?select=scale_id", f'{{"id": 2, "scale": {{"id": "{near}"}}}}', prefer="return=representation"
    )
    assert (201, f'[{{"scale_id":{near}}}]') == (above.status, plain(above))


@pytest.mark.parametrize("number", [LONG, WHOLE])
def test_the_place_of_a_row_keeps_every_digit(weights: Api, number: str) -> None:
    """Location names the row that was made."""
    reply = sent(weights, "scales", f'{{"id": "{number}"}}', prefer="return=headers-only")
    assert f"/scales?id=eq.{number}" == reply.one("location")


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/vnd.pgrst.array+json;nulls=stripped"])
def test_every_form_has_every_digit(weights: Api, accept: str) -> None:
    """Of a column, within JSON and within a list."""
    assert (
        201
        == sent(weights, "weights", f'{{"id": 1, "grams": {LONG}, "about": {{"x": {LONG}}}, "many": [{LONG}]}}').status
    )
    reply = weights.get("weights?select=grams,about,many", as_="ann", accept=accept)
    assert (200, 3) == (reply.status, reply.body.count(LONG.encode())), reply.body


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_functions_answer_with_every_digit(weights: Api, accept: str) -> None:
    """As a list of numbers, and as rows."""
    reply = sent(weights, "rpc/readings", f'{{"n": {LONG}}}', accept=accept)
    assert (200, True, True) == (reply.status, LONG.encode() in reply.body, b"8.8901" in reply.body), reply.body
    reply = sent(weights, "rpc/weigh?select=grams", f'{{"grams": {LONG}}}', accept=accept)
    assert (200, True) == (reply.status, LONG.encode() in reply.body), reply.body


def test_pages_by_key_go_on_behind_the_very_number(weights: Api) -> None:
    """Rows that doubles cannot tell apart are neither repeated nor skipped."""
    ids = [f"12345678901234567.890{n}" for n in range(5)]
    assert 201 == sent(weights, "scales", "[" + ",".join(f'{{"id": "{one}"}}' for one in ids) + "]").status
    query, seen = "limit=2&order=id", []
    while query:
        reply = weights.get(f"scales?{query}", as_="ann", prefer="page=keyset")
        seen += [one for one in ids if one.encode() in reply.body]
        link = reply.one("link") or ""
        query = next((part.partition("<?")[2].partition(">")[0] for part in link.split(", ") if "next" in part), "")
    assert ids == seen


@pytest.mark.parametrize(("asked", "ids"), [(LONG, [1]), ("12345678901234567.8902", []), ("12345678901234568", [])])
def test_what_is_contained_is_compared_by_every_digit(weights: Api, asked: str, ids: list[int]) -> None:
    """JSON and lists hold the number that they hold, and none that is near."""
    sent(weights, "weights", f'{{"id": 1, "about": {{"x": {LONG}}}, "many": [{LONG}]}}')
    assert ids == weights.get(f'weights?about=cs.{{"x":{asked}}}', as_="ann").ids
    assert ids == weights.get(f"weights?many=cs.{{{asked}}}", as_="ann").ids
