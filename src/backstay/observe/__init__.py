"""What the operator sees of a running app: log lines, without secrets, each with the request it is about."""

from backstay.observe.redact import Redactor, is_secret_key, redact
from backstay.observe.request import REQUEST_ID, RequestIds

__all__ = ["REQUEST_ID", "Redactor", "RequestIds", "is_secret_key", "redact"]
