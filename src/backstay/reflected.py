"""The app of ``backstay serve --reflect``: made in every worker from what the command line left in the environment."""

from __future__ import annotations

import json
import os

from backstay.app import Backstay

_asked = json.loads(os.environ.get("BACKSTAY_REFLECT", "{}"))

app = Backstay.reflect(
    schema=_asked.get("schema") or "public",
    open_to=_asked.get("open_to"),
    allow_aggregates=bool(_asked.get("allow_aggregates")),
    max_rows=_asked.get("max_rows"),
)
