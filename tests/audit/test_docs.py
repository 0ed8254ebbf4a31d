"""The page of the audit log has the table of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.audit import EVENTS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "audit.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_each_event_has_its_row(name: str) -> None:
    """With the keys that its details may have."""
    keys = ", ".join(f"`{key}`" for key in sorted(EVENTS[name].details)) or "none"
    assert f"| `{name}` | {keys} |\n" in PAGE
