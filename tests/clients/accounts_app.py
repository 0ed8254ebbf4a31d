"""The app of the accounts tests, for a server of its own: notes of one's own, vaults behind a second factor."""

from backstay import Backstay
from tests.accounts.house import Base, editors_read_notices, own_secrets, own_vaults

app = Backstay(models=Base, policies=[own_secrets, own_vaults, editors_read_notices], title="House")
