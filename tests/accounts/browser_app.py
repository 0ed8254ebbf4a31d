"""An app with accounts and a vault that takes a second factor, for a real browser."""

from __future__ import annotations

from backstay import Backstay
from tests.accounts.house import Base, own_vaults

app = Backstay(models=Base, policies=[own_vaults], title="House")
