"""URLs of one's own account.

Names with an underscore are django-allauth's, which it looks up; we list what we offer
and nothing else, so that no page of its own can be opened. Where two names have one
path, ours is for our templates.
"""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from portal.pages.account import (
    confirm,
    factors,
    password,
    profile,
    sign_in,
    sign_up,
    single_sign_on,
)
from portal.pages.account.guard import View, guarded

PAGES: tuple[tuple[str, View, tuple[str, ...]], ...] = (
    # path, view, names
    ("", profile.account, ("account", "mfa_index", "mfa_list_webauthn")),
    ("sign-in", sign_in.SignIn.as_view(), ("sign-in", "account_login")),
    ("sign-in/passkey", sign_in.PasskeySignIn.as_view(), ("mfa_login_webauthn",)),
    ("sign-in/second-factor", sign_in.SecondFactor.as_view(), ("mfa_authenticate",)),
    ("sign-out", sign_in.SignOut.as_view(), ("sign-out", "account_logout")),
    ("sign-up", sign_up.SignUp.as_view(), ("sign-up", "account_signup")),
    ("code", sign_up.Code.as_view(), ("account_email_verification_sent",)),
    ("organization", sign_up.found, ("found-organization",)),
    ("email", profile.Address.as_view(), ("account_email",)),
    ("password", password.Change.as_view(), ("password", "account_change_password")),
    ("password/set", password.Set.as_view(), ("account_set_password",)),
    ("password/reset", password.Reset.as_view(), ("account_reset_password",)),
    (
        "password/reset/code",
        password.ResetCode.as_view(),
        ("account_confirm_password_reset_code",),
    ),
    (
        "password/reset/new",
        password.ResetNew.as_view(),
        ("account_complete_password_reset",),
    ),
    ("confirm", confirm.ByPassword.as_view(), ("account_reauthenticate",)),
    ("confirm/second-factor", confirm.ByFactor.as_view(), ("mfa_reauthenticate",)),
    ("confirm/passkey", confirm.ByPasskey.as_view(), ("mfa_reauthenticate_webauthn",)),
    (
        "confirm/mail",
        confirm.AskForCode.as_view(),
        ("account_request_reauthentication_code",),
    ),
    (
        "confirm/code",
        confirm.ByMail.as_view(),
        ("account_confirm_reauthentication_code",),
    ),
    ("second-factor", factors.needed, ("second-factor-needed",)),
    ("app", factors.AddApp.as_view(), ("mfa_activate_totp",)),
    ("app/remove", factors.RemoveApp.as_view(), ("mfa_deactivate_totp",)),
    ("passkeys/new", factors.AddPasskey.as_view(), ("mfa_add_webauthn",)),
    (
        "passkeys/<int:pk>/rename",
        factors.RenamePasskey.as_view(),
        ("mfa_edit_webauthn",),
    ),
    (
        "passkeys/<int:pk>/remove",
        factors.RemovePasskey.as_view(),
        ("mfa_remove_webauthn",),
    ),
    ("recovery-codes", factors.RecoveryCodes.as_view(), ("mfa_view_recovery_codes",)),
    (
        "recovery-codes/new",
        factors.NewRecoveryCodes.as_view(),
        ("mfa_generate_recovery_codes",),
    ),
    ("sessions/end", profile.end_session, ("end-session",)),
    ("leave/<slug:slug>", profile.leave, ("leave",)),
    ("sso/<slug:provider_id>", single_sign_on.begin, ("openid_connect_login",)),
    ("sso/<slug:provider_id>/back", single_sign_on.back, ("openid_connect_callback",)),
)
urlpatterns: list[URLPattern | URLResolver] = [
    path(f"account/{route}", guarded(view), name=name)
    for route, view, names in PAGES
    for name in names
]
