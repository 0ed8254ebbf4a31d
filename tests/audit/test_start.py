"""What a start of an app with accounts leaves in the audit log, and beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import true
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Me, Settings, allow
from backstay.adapters.load import open_store
from backstay.audit import Anchors, Verdict, audit_keys, verify
from backstay.audit.read import Wanted, newest
from tests.http.client import Client


class Base(DeclarativeBase):
    pass


class Post(Base):
    __tablename__ = "audit_start_posts"
    id: Mapped[int] = mapped_column(primary_key=True)


@allow("read", Post)
def everybody(me: Me) -> Any:
    return true()


@pytest.mark.parametrize("anchored", [True, False])
async def test_changed_rules_are_recorded_and_anchored(tmp_path: Path, anchored: bool) -> None:
    """AU2, AU3: the first start, not the second, and then the one without a policy; settings made in code anchor none."""
    settings = Settings.load({"BACKSTAY_DATABASE": f"sqlite:///{tmp_path / 'data.db'}"}, folder=tmp_path)
    path = tmp_path / ".backstay" / "audit-anchor"
    assert str(path) == settings.audit_anchor
    assert settings.encryption_keys is not None
    if not anchored:
        settings = Settings(
            database=settings.database, jwt_secret=settings.jwt_secret, encryption_keys=settings.encryption_keys
        )
    keys = audit_keys(settings.encryption_keys)
    for policies in ([everybody], [everybody], []):
        app = Backstay(models=Base, policies=policies, settings=settings)
        async with app.started():
            if app._anchoring is not None:
                # Its own first look may come before or after: lines are only appended.
                await Anchors(path, keys).drop(app._office.accounts.store)  # type: ignore[union-attr]
        assert app._anchoring is None
    store = open_store(settings.database)
    await store.database.open()
    try:
        rows = await newest(store, Wanted(event="policy_changed"), 10)
        assert [0, 1] == [row.details["rules"] for row in rows]
        anchors = Anchors(path, keys).read()
        assert anchored == bool(anchors)
        assert Verdict(2) == await verify(store, keys, anchors)
    finally:
        await store.database.close()


async def test_health_says_that_anchors_are_missing(tmp_path: Path) -> None:
    """A11: a file that cannot be written degrades the app until it can; why is in the log, and not for strangers."""
    settings = Settings.load({"BACKSTAY_DATABASE": f"sqlite:///{tmp_path / 'data.db'}"}, folder=tmp_path)
    app = Backstay(models=Base, policies=[everybody], settings=settings)

    async def health() -> Any:
        return json.loads((await Client(app).ask("GET", "/health")).body)

    async with app.started():
        assert {"status": "ok"} == await health()
        anchors = app._anchors
        assert anchors is not None
        anchors.failing = "/srv/audit-anchor cannot be written: [Errno 28] No space left on device"
        assert {"status": "degraded", "failing": ["audit_anchor"]} == await health()
        anchors.failing = None
        assert {"status": "ok"} == await health()
