"""How the servers are told to run."""

from __future__ import annotations

import pytest

from backstay.cli.server import run
from backstay.settings import Settings


def test_uvicorn_believes_no_header_about_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """TH7: by default it would take X-Forwarded-For from this machine, past the operator's list of proxies."""
    import uvicorn

    configs: list[uvicorn.Config] = []

    def keep(server: uvicorn.Server) -> None:
        configs.append(server.config)
        server.started = True

    monkeypatch.setattr(uvicorn.Server, "run", keep)
    run("app:app", Settings(server="uvicorn"))
    assert [False] == [config.proxy_headers for config in configs]
