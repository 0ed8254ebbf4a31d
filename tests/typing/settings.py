"""The code of a user, for mypy and pyright: what an editor knows about the settings."""

from collections.abc import Mapping
from typing import Any, Literal, assert_type

from backstay.settings import Settings

settings = Settings.load({"BACKSTAY_PORT": "9000"})

assert_type(settings.port, int)
assert_type(settings.statement_timeout, float)
assert_type(settings.cors_origins, tuple[str, ...])
assert_type(settings.jwt_secret, str | None)
assert_type(settings.jwks, Mapping[str, Any] | None)
assert_type(settings.dialect, Literal["sqlite", "postgresql"])
assert_type(Settings(database="sqlite:///shop.db", max_rows=200), Settings)
