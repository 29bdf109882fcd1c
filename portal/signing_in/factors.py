"""Second factors: what we decide where django-allauth asks."""

from __future__ import annotations

from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator

from portal.signing_in import sealing


class MFAAdapter(DefaultMFAAdapter):
    """The secrets of apps, and the seed that recovery codes are computed from, are kept
    encrypted under SECRET_KEY. Of a passkey only its public half is kept."""

    error_messages = {  # noqa: RUF012  allauth's own shape
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "That code is not right.",
        "cannot_generate_recovery_codes": (
            "Recovery codes stand in for an app or a passkey: add one of these first."
        ),
    }

    def encrypt(self, text: str) -> str:
        return sealing.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return sealing.unseal(encrypted_text)

    def generate_authenticator_name(self, user: Any, type: Any) -> str:
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return "Passkey" if number == 1 else f"Passkey {number}"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Named by the product, for the host that the page was asked from."""
        return {**super().get_public_key_credential_rp_entity(), "name": "Tollgate"}
