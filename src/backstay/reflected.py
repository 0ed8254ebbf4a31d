"""The app of ``backstay serve --reflect``: made in every worker from what the command line left in the environment."""

from __future__ import annotations

from backstay.app import reflected_app

app = reflected_app()
