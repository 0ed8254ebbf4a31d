"""WebAuthn ceremonies: what the authenticator is asked, and whether what comes back is true.

1. The relying party is fixed by the operator: its id, and an exact list of origins (MF3).  Nothing of it is read from
   a request.
2. A page inside of another page is none of ours: ``crossOrigin`` is refused.
3. What comes back is bytes of an unknown author.  Sizes come first, then what is cheap to compare (challenge, page,
   relying party, owner), then the form of what is CBOR (`cbor.py`), and only then a library reads it; each of the many
   errors is the same refusal (A2).
4. Nobody is named here who could vouch for an authenticator.  So of its statements only the one that its own key signs
   is read; certificates of third parties prove nothing to us, and no parser is lent to them.
5. Checks of public keys take a while: call `check_registration` and `check_assertion` in a thread.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from backstay.auth.cbor import end_of_item
from backstay.auth.challenge import LIFETIME
from backstay.auth.options import AuthOptions
from backstay.auth.publickey import check_cose
from backstay.auth.refusal import AuthError

#: WebAuthn Level 3 §4: no credential id is longer.
MAX_CREDENTIAL_ID: Final = 1023
#: Characters of each text in an answer, as base64url: several times what authenticators send.
MAX_CHARS: Final[Mapping[str, int]] = {
    "clientDataJSON": 8 * 1024,
    "attestationObject": 32 * 1024,
    "authenticatorData": 8 * 1024,
    "signature": 4 * 1024,
    "userHandle": 128,
}
_MAX_ID_CHARS: Final = 4 * (MAX_CREDENTIAL_ID + 2) // 3
#: WebAuthn Level 3 §6.1: hash of the relying party, flags, count; then, with the flag, AAGUID, length, id and key.
_HASH, _HEAD, _AAGUID = 32, 37, 16
_ATTESTED, _EXTENDED = 0x40, 0x80
#: IANA's registry of statements (RFC 8809 §2.1).
_FORMATS: Final = frozenset(
    {"none", "packed", "tpm", "android-key", "android-safetynet", "fido-u2f", "apple", "compound"}
)
_TIMEOUT_MS: Final = int(LIFETIME.total_seconds() * 1000)
_LOOPBACK: Final = "localhost"


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Whom credentials are made for: *id* is a domain, *origins* are the pages that may use them."""

    id: str
    name: str
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewCredential:
    """What a registration has proved."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    aaguid: str
    transports: tuple[str, ...]
    backup_eligible: bool
    backed_up: bool


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an authentication has proved: the count of its signatures, and whether it is backed up by now."""

    sign_count: int
    backed_up: bool


def relying_party(options: AuthOptions) -> RelyingParty:
    """The relying party that the operator's URLs make.

    Its id is the host of the site.  Its origins are those of the site, of the API and of all redirect URLs without a
    pattern, as far as they are at that host or below it: no browser would use the credential elsewhere.  An address of
    this machine is ``localhost``, since WebAuthn knows no addresses.

    >>> relying_party(AuthOptions(site_url="https://example.org", public_url="https://api.example.org/v1")).origins
    ('https://example.org', 'https://api.example.org')
    >>> relying_party(AuthOptions(site_url="http://127.0.0.1:8000")).id
    'localhost'
    """
    site = _origin(options.site_url)
    id = options.webauthn_rp_id or (_host(site) if site else _LOOPBACK)
    if options.webauthn_origins:
        return RelyingParty(id, options.site_name, options.webauthn_origins)
    urls = (options.site_url, options.public_url, *(url for url in options.redirect_urls if not set(url) & set("*?")))
    found = dict.fromkeys(origin for origin in map(_origin, urls) if origin and _is_below(_host(origin), id))
    return RelyingParty(id, options.site_name, tuple(found))


def useless_origins(party: RelyingParty) -> tuple[str, ...]:
    """Those of its origins where no browser would use its credentials: the operator has mistaken one of the two."""
    pages = (origin for origin in party.origins if not origin.startswith("android:"))
    return tuple(origin for origin in pages if not _is_below(_host(origin), party.id))


def creation_options(
    party: RelyingParty,
    challenge: bytes,
    *,
    user_id: UUID,
    name: str,
    known: Sequence[bytes],
    passkey: bool,
) -> dict[str, Any]:
    """Options for ``navigator.credentials.create``, as JSON (WebAuthn Level 3 §5.1.9).

    A *passkey* is found without a name being typed, and verifies its owner: it is all that signs in.
    """
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    selection = AuthenticatorSelectionCriteria(
        resident_key=ResidentKeyRequirement.REQUIRED if passkey else ResidentKeyRequirement.DISCOURAGED,
        require_resident_key=passkey,
        user_verification=(UserVerificationRequirement.REQUIRED if passkey else UserVerificationRequirement.PREFERRED),
    )
    options = generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=user_id.bytes,
        user_name=name,
        user_display_name=name,
        challenge=challenge,
        timeout=_TIMEOUT_MS,
        authenticator_selection=selection,
        exclude_credentials=[PublicKeyCredentialDescriptor(id=id) for id in known],
    )
    made: dict[str, Any] = msgspec.json.decode(options_to_json(options))
    return made


def request_options(party: RelyingParty, challenge: bytes, *, allowed: Sequence[bytes]) -> dict[str, Any]:
    """Options for ``navigator.credentials.get``, as JSON; of a passkey nothing is *allowed*: its owner chooses."""
    from webauthn import generate_authentication_options, options_to_json
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor, UserVerificationRequirement

    options = generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=_TIMEOUT_MS,
        allow_credentials=[PublicKeyCredentialDescriptor(id=id) for id in allowed],
        user_verification=(UserVerificationRequirement.PREFERRED if allowed else UserVerificationRequirement.REQUIRED),
    )
    made: dict[str, Any] = msgspec.json.decode(options_to_json(options))
    return made


def check_registration(
    party: RelyingParty, response: dict[str, Any], challenge: bytes, *, verified_owner: bool
) -> NewCredential:
    """Whether *response* registers a credential for *challenge*; *verified_owner*: a PIN, a finger or a face.

    Raises:
        AuthError: webauthn_verification_failed.
    """
    from webauthn import verify_registration_response
    from webauthn.helpers import parse_registration_credential_json
    from webauthn.helpers.structs import CredentialDeviceType

    try:
        _check_sizes(response, "clientDataJSON", "attestationObject")
        credential = parse_registration_credential_json(response)
        _check_page(party, credential.response.client_data_json, challenge, "webauthn.create")
        credential.response.attestation_object = _readable(party, credential.response.attestation_object)
        verified = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            require_user_verification=verified_owner,
        )
        if verified.credential_id != credential.raw_id:
            raise ValueError("the credential id")
    except Exception as error:
        raise _failed() from error
    return NewCredential(
        verified.credential_id,
        verified.credential_public_key,
        verified.sign_count,
        verified.aaguid,
        tuple(transport.value for transport in credential.response.transports or ()),
        verified.credential_device_type == CredentialDeviceType.MULTI_DEVICE,
        verified.credential_backed_up,
    )


def credential_id_of(response: dict[str, Any]) -> bytes:
    """Which credential says to answer; nothing is true of it yet.

    Raises:
        AuthError: webauthn_verification_failed.
    """
    try:
        text = response["rawId"]
        if len(text) > _MAX_ID_CHARS:
            raise ValueError("the credential id")
        id = urlsafe_b64decode(f"{text}===")
        if not 0 < len(id) <= MAX_CREDENTIAL_ID:
            raise ValueError("the credential id")
    except Exception as error:
        raise _failed() from error
    return id


def check_assertion(
    party: RelyingParty, response: dict[str, Any], challenge: bytes, credential: Any, *, passkey: bool
) -> Assertion:
    """Whether *response* is the answer of *credential* (row) to *challenge*.

    Of a *passkey* its owner must have been verified, and it must say whose it is; of a second factor both may be.

    Raises:
        AuthError: webauthn_verification_failed.
    """
    from webauthn import verify_authentication_response
    from webauthn.helpers import parse_authentication_credential_json

    try:
        _check_sizes(response, "clientDataJSON", "authenticatorData", "signature", "userHandle")
        answer = parse_authentication_credential_json(response)
        _check_page(party, answer.response.client_data_json, challenge, "webauthn.get")
        handle = answer.response.user_handle
        if (handle is None and passkey) or (handle is not None and handle != credential.user_id.bytes):
            raise ValueError("the user handle")
        if answer.raw_id != credential.credential_id:
            raise ValueError("the credential")
        _check_authenticator_data(party, answer.response.authenticator_data, attested=False)
        check_cose(_map_of(credential.public_key))
        verified = verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            credential_public_key=credential.public_key,
            # Counts are compared where they are stored, in one statement: see `authenticator.count_use`.
            credential_current_sign_count=0,
            require_user_verification=passkey,
        )
    except Exception as error:
        raise _failed() from error
    return Assertion(verified.new_sign_count, verified.credential_backed_up)


def _check_sizes(response: dict[str, Any], *names: str) -> None:
    """Whether every text of an answer that will be decoded is short enough to be looked at."""
    within = response.get("response")
    if not isinstance(within, dict):
        raise ValueError("no response")
    texts = [(response.get(name), _MAX_ID_CHARS) for name in ("id", "rawId")]
    texts += [(within.get(name), MAX_CHARS[name]) for name in names]
    if any(isinstance(text, str) and len(text) > most for text, most in texts):
        raise ValueError("too long")


def _check_page(party: RelyingParty, client_data: bytes, challenge: bytes, kind: str) -> None:
    from webauthn.helpers import parse_client_data_json

    said = parse_client_data_json(client_data)
    if said.type != kind or said.challenge != challenge or said.origin not in party.origins or said.cross_origin:
        raise ValueError("the page")


def _readable(party: RelyingParty, raw: bytes) -> bytes:
    """What of the attestation object *raw* is given to the library (WebAuthn Level 3 §6.5.4)."""
    from webauthn.helpers import encode_cbor

    found = _map_of(raw)
    data, statement, form = found.get("authData"), found.get("attStmt"), found.get("fmt")
    if not isinstance(data, bytes) or not isinstance(statement, dict) or form not in _FORMATS:
        raise ValueError("the attestation object")
    _check_authenticator_data(party, data, attested=True)
    if form == "none" or (form == "packed" and "x5c" not in statement):
        return raw
    return encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})


def _check_authenticator_data(party: RelyingParty, data: bytes, *, attested: bool) -> None:
    """The relying party, and the form of what follows; a new credential (*attested*) has a sound key."""
    if len(data) < _HEAD or data[:_HASH] != hashlib.sha256(party.id.encode()).digest():
        raise ValueError("the relying party")
    flags, at = data[_HASH], _HEAD
    if attested != bool(flags & _ATTESTED):
        raise ValueError("a credential is there or not")
    if attested:
        at += _AAGUID
        length = int.from_bytes(data[at : at + 2], "big")
        if not 0 < length <= MAX_CREDENTIAL_ID:
            raise ValueError("the credential id")
        at += 2 + length
        end = end_of_item(data, at)
        check_cose(_map_of(data[at:end]))
        at = end
    if flags & _EXTENDED:
        at = end_of_item(data, at)
    if at != len(data):
        raise ValueError("something follows")


def _map_of(raw: bytes) -> dict[Any, Any]:
    """The one map that *raw* is; the library decodes it when its form is known."""
    from webauthn.helpers import parse_cbor

    if end_of_item(raw) != len(raw):
        raise ValueError("something follows")
    found = parse_cbor(raw)
    if not isinstance(found, dict):
        raise ValueError("not a map")
    return found


def _failed() -> AuthError:
    return AuthError("webauthn_verification_failed", "Credential verification failed")


def _origin(url: str) -> str | None:
    """The origin of a web page's URL, with ``localhost`` for an address of this machine."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    try:
        if ip_address(host).is_loopback:
            host = _LOOPBACK
    except ValueError:
        pass
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if port in (None, usual) else f":{port}")


def _host(origin: str) -> str:
    return urlsplit(origin).hostname or ""


def _is_below(host: str, id: str) -> bool:
    return host == id or host.endswith(f".{id}")
