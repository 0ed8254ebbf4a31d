"""P1: what a rule says is what plain Python says of the row, on SQLite as on PostgreSQL; NULL is shown by no rule."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from tests.http.alike_app import CASES, CLAIMS, ROWS, app, sent
from tests.http.api import Api, opened, quick_folder
from tests.http.shop_app import SECRET


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, app, {"docs": ROWS}, "alike") as found:
        yield found


def _asking(role: str) -> dict[str, str]:
    claims = {"exp": int(time.time()) + 36_000, "role": role, **CLAIMS}
    token = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))
    return {"authorization": f"Bearer {token}"}


def _shown(api: Api, role: str) -> list[int]:
    return api.get("docs?select=id&order=id", headers=_asking(role)).ids


@pytest.mark.parametrize("name", CASES)
def test_a_rule_says_the_same(api: Api, name: str) -> None:
    """P1: of each row, as it stands and negated."""
    at, case = list(CASES).index(name), CASES[name]
    said = {row["id"]: case.judge(row) for row in ROWS}
    assert [id_ for id_, answer in said.items() if answer] == _shown(api, f"case_{at}")
    expected = [id_ for id_, answer in said.items() if answer is not None and not answer]
    assert expected == _shown(api, f"not_{at}")


@pytest.mark.parametrize("name", CASES)
def test_a_new_row_is_judged_the_same(api: Api, name: str) -> None:
    """P1: a row that a client sends has values in other forms than a column; one that fits, and one that does not."""
    at, case = list(CASES).index(name), CASES[name]
    tried = {bool(case.judge(row)): row for row in ROWS}
    for fits, row in tried.items():
        reply = api.post("docs", sent(row), headers=_asking(f"case_{at}"), prefer="return=minimal")
        assert (201 if fits else 403) == reply.status, reply.body
