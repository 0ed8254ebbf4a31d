"""What the operator sees of a running app: log lines, without secrets."""

from backstay.observe.redact import Redactor, is_secret_key, redact

__all__ = ["Redactor", "is_secret_key", "redact"]
