"""Every column of the accounts that is sealed with the operator's keyring; a new one is added here.

A rotation of the encryption keys seals their values anew.  A test looks for columns of bytes that are not here.
"""

from __future__ import annotations

from typing import Any, Final

from backstay.auth import signing
from backstay.auth.enrolment import secret_context
from backstay.auth.factor import SECRETS, Factor
from backstay.auth.flow import FlowState
from backstay.auth.tables import SigningKey
from backstay.db.vault import Vault
from backstay.mail.outbox import Outgoing

_TABLES: Final[Any] = SigningKey.metadata.tables

VAULTS: Final = (
    Vault(_TABLES[Factor.__tablename__], "secret", SECRETS, lambda key: secret_context(key[0])),
    Vault(_TABLES[FlowState.__tablename__], "extra", "flow", lambda key: str(key[0])),
    Vault(_TABLES[SigningKey.__tablename__], "private", signing.PURPOSE, lambda key: signing.context_of_key(key[0])),
    # A letter is the same wherever it lies: its row's key is made along with it (``office.py``).
    Vault(_TABLES[Outgoing.__tablename__], "sealed", "mail", lambda key: ""),
)
