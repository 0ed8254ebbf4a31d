"""Async tests run on asyncio, the only loop that Backstay runs on."""

from tests.adapters.smtp.server import certificate

__all__ = ["certificate"]
