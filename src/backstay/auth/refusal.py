"""Refusals of the accounts API, in GoTrue's codes.

The code is the identity; `AUTH_STATUS` gives its HTTP status.  The same table stands in ``docs/reference/errors.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from backstay.errors import BackstayError

AUTH_STATUS: Final[Mapping[str, int]] = {
    "account_not_proved": 409,
    "anonymous_provider_disabled": 422,
    "answer_too_large": 413,
    "bad_code_verifier": 400,
    "bad_json": 400,
    "bad_jwt": 403,
    "bad_oauth_callback": 400,
    "bad_oauth_state": 400,
    "conflict": 409,
    "current_password_mismatch": 400,
    "current_password_required": 400,
    "email_address_invalid": 400,
    "email_conflict_identity_not_deletable": 422,
    "email_exists": 422,
    "email_not_confirmed": 400,
    "email_provider_disabled": 422,
    "flow_state_expired": 422,
    "flow_state_not_found": 404,
    "identity_already_exists": 422,
    "identity_not_found": 404,
    "insufficient_aal": 403,
    "invalid_credentials": 400,
    "invite_not_found": 404,
    "manual_linking_disabled": 404,
    "method_not_allowed": 405,
    "mfa_challenge_expired": 422,
    "mfa_factor_name_conflict": 422,
    "mfa_factor_not_found": 404,
    "mfa_ip_address_mismatch": 422,
    "mfa_phone_enroll_not_enabled": 422,
    "mfa_totp_enroll_not_enabled": 422,
    "mfa_verification_failed": 422,
    "mfa_verified_factor_exists": 422,
    "mfa_webauthn_enroll_not_enabled": 422,
    "no_authorization": 401,
    "not_admin": 403,
    "not_found": 404,
    "oauth_provider_not_supported": 400,
    "otp_disabled": 422,
    "otp_expired": 403,
    "over_email_send_rate_limit": 429,
    "over_request_rate_limit": 429,
    "passkey_not_found": 404,
    "phone_provider_disabled": 400,
    "provider_disabled": 400,
    "provider_email_needs_verification": 422,
    "provider_unavailable": 503,
    "reauthentication_needed": 400,
    "reauthentication_not_valid": 422,
    "refresh_token_already_used": 400,
    "refresh_token_not_found": 400,
    "request_body_too_large": 413,
    "request_timeout": 408,
    "same_password": 422,
    "session_expired": 400,
    "session_not_found": 403,
    "signup_disabled": 422,
    "single_identity_not_deletable": 422,
    "too_many_enrolled_mfa_factors": 422,
    "too_many_identities": 422,
    "too_many_passkeys": 422,
    "unexpected_audience": 400,
    "unexpected_failure": 500,
    "unsupported_media_type": 415,
    "user_already_exists": 422,
    "user_banned": 400,
    "user_not_found": 404,
    "validation_failed": 400,
    "weak_password": 422,
    "webauthn_challenge_expired": 422,
    "webauthn_credential_exists": 422,
    "webauthn_verification_failed": 422,
}


class AuthError(BackstayError):
    """The accounts API says no.

    Args:
        code: one of `AUTH_STATUS`.
        reasons: what is weak about a password, for ``weak_password``.
        retry_seconds: when to try again, for 429.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        reasons: Sequence[str] = (),
        retry_seconds: int | None = None,
    ) -> None:
        headers = () if retry_seconds is None else (("Retry-After", str(retry_seconds)),)
        super().__init__(code, message, hint=hint, headers=headers)
        self.reasons = tuple(reasons)

    @property
    def status(self) -> int:
        return AUTH_STATUS[self.code]


def invalid_credentials() -> AuthError:
    """The one answer to an unknown account and to a wrong password."""
    return AuthError("invalid_credentials", "Invalid login credentials")


def invalid(message: str, *, hint: str | None = None) -> AuthError:
    """The body or the query is not what the route takes."""
    return AuthError("validation_failed", message, hint=hint)


def email_exists() -> AuthError:
    """The refusal of an address that an account has."""
    return AuthError("email_exists", "A user with this email address has already been registered")
