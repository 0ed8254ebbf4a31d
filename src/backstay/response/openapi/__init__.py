"""The API's description of itself: OpenAPI 3.1, for one kind of principal."""

from backstay.response.openapi.about import About
from backstay.response.openapi.document import describe

__all__ = ["About", "describe"]
