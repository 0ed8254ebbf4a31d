"""``/health`` names the parts that fail."""

from __future__ import annotations

import json

from backstay.http.health import health_of


def test_a_failing_part_is_named_and_its_reason_is_not() -> None:
    """DU6: an operator sees that something is wrong; a stranger does not see what."""
    faults: dict[str, str | None] = {"mail": None}
    health = health_of({"mail": lambda: faults["mail"]})
    assert (200, {"status": "ok"}) == (health().status, json.loads(health().body))
    faults["mail"] = "535 wrong password"
    assert (200, {"status": "degraded", "failing": ["mail"]}) == (health().status, json.loads(health().body))
