"""The clinic, as in ``tests/http``."""

from tests.http.conftest import opened_clinic, ward

__all__ = ["opened_clinic", "ward"]
