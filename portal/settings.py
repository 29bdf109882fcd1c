"""All settings, from the environment only; portal/README.md explains each.

The defaults give a working product with nothing else installed: SQLite under
`var/`, Celery over files, and the sandbox in the upstream's place.
What cannot be understood stops the start (`portal/runtime/variables.py`), and so does
what does not fit together or is unsafe in production (`portal/runtime/checks.py`).
"""

from __future__ import annotations

import os
from pathlib import Path

from csp.constants import NONE, SELF

from portal.runtime import environment, locations, mail_providers, variables

BASE_DIR = Path(__file__).resolve().parents[1]
env = variables.Env(os.environ)
env.read_file(BASE_DIR / ".env")  # a variable that is set wins

# --- where and how -----------------------------------------------------------
VAR_DIR = env.folder("VAR_DIR", default=str(BASE_DIR / "var"))
environment.keep_private(VAR_DIR)
DEBUG = env.bool("DEBUG", default=False)
GIVEN_SECRET_KEY = env.str("SECRET_KEY", default="")
SECRET_KEY = GIVEN_SECRET_KEY or environment.stored_secret_key(VAR_DIR / "secret_key")
HOST = env.host("HOST", default="127.0.0.1")
PORT = env.int("PORT", default=8000)
WEB_CONCURRENCY = env.int("WEB_CONCURRENCY", default=1)
# Of one server process, in all and for one address (portal/runtime/connections.py).
CONNECTIONS_MAX = env.int("CONNECTIONS_MAX", default=4096)
CONNECTIONS_PER_ADDRESS_MAX = env.int("CONNECTIONS_PER_ADDRESS_MAX", default=1024)
PAGES_AT_ONCE = env.int("PAGES_AT_ONCE", default=12)
PUBLIC_URL = env.public_url(
    "PUBLIC_URL", default=f"http://{locations.in_url(HOST)}:{PORT}"
)
PUBLIC_ORIGIN, URL_PREFIX, PUBLIC_HOST = locations.split_public(PUBLIC_URL)
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS",
    default=["localhost", "127.0.0.1", "[::1]"],
    each=locations.served_host,
)
ALLOWED_HOSTS = [*ALLOWED_HOSTS, PUBLIC_HOST]
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[], each=locations.network)
CORS_ORIGINS = env.list("CORS_ORIGINS", default=[], each=locations.origin)
OWN_ORGANIZATIONS = env.bool("OWN_ORGANIZATIONS", default=False)
LOG_LEVEL = env.level("LOG_LEVEL", default="INFO")

# --- the upstream ------------------------------------------------------------
SANDBOX_PORT = env.int("SANDBOX_PORT", default=8001)
PAYMENTS_SANDBOX_PORT = env.int("PAYMENTS_SANDBOX_PORT", default=8002)
UPSTREAM_BASE_URL = env.http_url("UPSTREAM_BASE_URL", default="")
UPSTREAM_API_KEY = env.secret("UPSTREAM_API_KEY", default="")
# No upstream named: the sandbox stands in, with a key that means nothing elsewhere.
USES_SANDBOX = not UPSTREAM_BASE_URL
if USES_SANDBOX:
    UPSTREAM_BASE_URL = f"http://127.0.0.1:{SANDBOX_PORT}/api/v1"
    UPSTREAM_API_KEY = UPSTREAM_API_KEY or "sandbox-upstream-key"
UPSTREAM_CONNECT_SECONDS = env.int("UPSTREAM_CONNECT_SECONDS", default=5)
UPSTREAM_IDLE_SECONDS = env.int("UPSTREAM_IDLE_SECONDS", default=120)
UPSTREAM_TOTAL_SECONDS = env.int("UPSTREAM_TOTAL_SECONDS", default=570)
UPSTREAM_CONNECTIONS_MAX = env.int("UPSTREAM_CONNECTIONS_MAX", default=512)
UPSTREAM_REPLY_BYTES_MAX = env.int("UPSTREAM_REPLY_BYTES_MAX", default=64 * 1024**2)
UPSTREAM_LACKS = env.choices(
    "UPSTREAM_LACKS",
    *("response_format", "tool_choice", "parallel_tool_calls", "logprobs", "n"),
    *("stop", "seed", "logit_bias", "reasoning_effort", "verbosity"),
    default=[],
)
UPSTREAM_TOOLS = env.choice("UPSTREAM_TOOLS", "forward", "refuse", default="forward")
MEDIA_BYTES_MAX = env.int("MEDIA_BYTES_MAX", default=50 * 1024**2)
MEDIA_SECONDS_MAX = env.int("MEDIA_SECONDS_MAX", default=60)

# --- the gateway -------------------------------------------------------------
GATEWAY_HANDLER = "proxy.asgi.gateway"
PAGES_ABOVE = ["proxy.pages.urls"]  # URL lists of pages that the gateway layer has
# What the gateway says of a call's reason and remarks, for the page of a request.
REASON_WORDS = "proxy.http.reasons.of_reason"
REMARK_WORDS = "proxy.http.reasons.of_remark"
REFUSAL_WORDS = "proxy.http.reasons.of_refusal"
GATEWAY_BODY_BYTES_MAX = env.int("GATEWAY_BODY_BYTES_MAX", default=20 * 1024**2)
GATEWAY_UPLOAD_BYTES_MAX = env.int("GATEWAY_UPLOAD_BYTES_MAX", default=25 * 1024**2)
GATEWAY_BODY_SECONDS_MAX = env.int("GATEWAY_BODY_SECONDS_MAX", default=60)
GATEWAY_UPLOADS_MAX = env.int("GATEWAY_UPLOADS_MAX", default=4)
ENVELOPES_OPEN_MAX = env.int("ENVELOPES_OPEN_MAX", default=1000)
TRANSCRIPTION_URL_SECONDS_MAX = env.int("TRANSCRIPTION_URL_SECONDS_MAX", default=3600)
DRAIN_SECONDS = env.int("DRAIN_SECONDS", default=120)
DRAIN_MAX = env.int("DRAIN_MAX", default=256)
# As long as a call may last: to its answer's head, to its end, for a client that left.
SHUTDOWN_SECONDS = env.int(
    "SHUTDOWN_SECONDS",
    default=2 * UPSTREAM_IDLE_SECONDS + UPSTREAM_TOTAL_SECONDS + DRAIN_SECONDS,
)
LEASE_SECONDS = env.int("LEASE_SECONDS", default=30)
IN_DOUBT_SECONDS = env.int("IN_DOUBT_SECONDS", default=900)
JOB_SECONDS_MAX = env.int("JOB_SECONDS_MAX", default=86_400)
JOB_POLLS_MAX = env.int("JOB_POLLS_MAX", default=100)
JOB_REPLY_SECONDS = env.int("JOB_REPLY_SECONDS", default=604_800)
UNPRICED_CREDITS = env.int("UNPRICED_CREDITS", default=25)
BORNE_MODEL_CREDITS_MAX = env.int("BORNE_MODEL_CREDITS_MAX", default=1000)
BORNE_ORGANIZATION_CREDITS_MAX = env.int("BORNE_ORGANIZATION_CREDITS_MAX", default=500)
STREAM_KEEPALIVE_SECONDS = env.int("STREAM_KEEPALIVE_SECONDS", default=15)
REPLAY_SECONDS = env.int("REPLAY_SECONDS", default=900)
REPLAY_BYTES_MAX = env.int("REPLAY_BYTES_MAX", default=256 * 1024)

# --- payments (billing/payments) -----------------------------------------------
EXPORT_STORAGE_URL = env.bucket("EXPORT_STORAGE_URL", default="")
EXPORT_STORAGE_HTTP = env.bool("EXPORT_STORAGE_HTTP", default=False)
OPERATOR_NAME = env.str("OPERATOR_NAME", default="Tollgate")
PAYMENT_CURRENCY = env.str("PAYMENT_CURRENCY", default="usd")
CREDIT_PRICE = env.str("CREDIT_PRICE", default="0.01")
CREDIT_PACKS = env.list("CREDIT_PACKS", default=["1000=10", "5000=48", "20000=180"])
TOPUP_CREDITS_MIN = env.int("TOPUP_CREDITS_MIN", default=500)
TOPUP_CREDITS_MAX = env.int("TOPUP_CREDITS_MAX", default=1_000_000)
MANUAL_TOPUPS = env.bool("MANUAL_TOPUPS", default=True)
STRIPE_SECRET_KEY = env.secret("STRIPE_SECRET_KEY", default="")
STRIPE_WEBHOOK_SECRET = env.secret("STRIPE_WEBHOOK_SECRET", default="", least=24)
STRIPE_API_BASE = env.http_url("STRIPE_API_BASE", default="")
PAYMENT_SWEEP_SECONDS = env.int("PAYMENT_SWEEP_SECONDS", default=30)

# --- applications ------------------------------------------------------------
INSTALLED_APPS = [
    "portal",
    "billing",
    "proxy",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",  # its static files only
    "rest_framework",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
]
AUTH_USER_MODEL = "portal.User"
ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
MIDDLEWARE = [
    "portal.runtime.health.HealthMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "portal.runtime.request_ids.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.pages.parts.theme.chosen",
            ],
        },
    },
]

# --- storage -----------------------------------------------------------------
REDIS_URL = env.redis_url("REDIS_URL", default="")
REDIS_WAIT_MS = env.int("REDIS_WAIT_MS", default=500)
DATABASES = {"default": environment.database(env, VAR_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Marks in the database: nobody needs Redis to sign in, or to send a form.
CACHES = {"default": {"BACKEND": "portal.signing_in.marks.Marks"}}

# --- words, time, files ------------------------------------------------------
LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"
STATIC_URL = f"{URL_PREFIX}/static/"
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns of a missing one
WHITENOISE_USE_FINDERS = True

# --- mail: sent beside the page, by EMAIL_URL's server or a provider's API ------------
MAIL = env.email_url("EMAIL_URL", default="consolemail://")
MAIL_PROVIDER = env.choice("EMAIL_PROVIDER", *mail_providers.KEYS, default="")
MAIL_BACKEND = (
    mail_providers.backend(MAIL_PROVIDER) if MAIL_PROVIDER else MAIL["EMAIL_BACKEND"]
)
EMAIL_BACKEND = "portal.signing_in.mail.Backend"
EMAIL_HOST = MAIL.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = MAIL.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = MAIL.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = MAIL.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = MAIL.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = MAIL.get("EMAIL_USE_SSL", False)
EMAIL_FILE_PATH = MAIL.get("EMAIL_FILE_PATH")
EMAIL_TIMEOUT = 10  # seconds, for each step of sending one
ANYMAIL = mail_providers.options(
    env,
    MAIL_PROVIDER,
    env.secret("EMAIL_PROVIDER_KEY", default=""),
    env.http_url("EMAIL_PROVIDER_URL", default=""),
    seconds=EMAIL_TIMEOUT,
)
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="Tollgate <tollgate@localhost>")

# --- security ----------------------------------------------------------------
IS_HTTPS = PUBLIC_URL.startswith("https://")
# Where a proxy serves us below a path: links begin with it (`portal/asgi.py`).
FORCE_SCRIPT_NAME = URL_PREFIX or None
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = f"{URL_PREFIX}/"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"
AUTHENTICATION_BACKENDS = ["portal.signing_in.backend.Backend"]
SESSION_ENGINE = "portal.signing_in.sessions"
PASSWORD_HASHERS = [
    "portal.signing_in.hashing.BoundedArgon2",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SECURE_SSL_REDIRECT = False  # TLS ends in front of us; PUBLIC_URL says what it is
# Of this host alone: what is below its name may be somebody else's.
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
CSRF_TRUSTED_ORIGINS = [PUBLIC_ORIGIN]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- signing up and in (portal/signing_in; django-allauth) ----------------------------
SIGNUP = env.choice("SIGNUP", "open", "invitation", "closed", default="invitation")
SIGNUP_CREDITS = env.int("SIGNUP_CREDITS", default=0)
ACCOUNT_ADAPTER = "portal.signing_in.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 900
ACCOUNT_LOGIN_ON_PASSWORD_RESET = True  # which asks for the second factor
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_RATE_LIMITS = MFA_RATE_LIMITS = False  # ours: portal/signing_in/limits.py
MFA_ADAPTER = "portal.signing_in.factors.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "Tollgate"
MFA_TOTP_TOLERANCE = 1  # steps of 30 s that a phone's clock may be wrong
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not IS_HTTPS  # browsers allow localhost only
OIDC_ISSUER = env.http_url("OIDC_ISSUER", default="")
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="")
OIDC_CLIENT_SECRET = env.secret("OIDC_CLIENT_SECRET", default="")
OIDC_NAME = env.str("OIDC_NAME", default="Single sign-on")
OIDC_GROUPS = env.list("OIDC_GROUPS", default=[])
SOCIALACCOUNT_ADAPTER = "portal.signing_in.social.SocialAdapter"
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"  # the issuer is asked for its word
SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_PROVIDERS = environment.identity_provider(
    OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET, OIDC_NAME
)

# --- REST framework (the gateway's views; `proxy/views/base.py`) -----------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "UNAUTHENTICATED_USER": None,
}

# --- the timetable (portal/runtime/timetable.py) ------------------------------
KEY_ADDRESS_DAYS = env.int("KEY_ADDRESS_DAYS", default=30)
SWEEP_SECONDS = env.int("SWEEP_SECONDS", default=10)
JOB_POLL_SECONDS = env.int("JOB_POLL_SECONDS", default=2)

# --- who is told of events (portal/notices) ------------------------------------
WEBHOOK_SECONDS_MAX = env.int("WEBHOOK_SECONDS_MAX", default=15)
WEBHOOK_RETRY_SECONDS = env.str(
    "WEBHOOK_RETRY_SECONDS", default="5,300,1800,7200,18000,36000,50400,72000,86400"
)
WEBHOOK_TRUSTED_HOSTS = env.list(
    "WEBHOOK_TRUSTED_HOSTS", default=[], each=locations.host_and_port
)
NOTICE_DAYS = env.int("NOTICE_DAYS", default=90)

# --- logs: never a body, a header or a key; nothing endless (`log_lines.py`) ----------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "portal.runtime.log_lines.Line",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
    "filters": {
        "rarely": {"()": "portal.runtime.log_lines.Rarely"},
        "known": {"()": "portal.runtime.log_lines.Known"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["rarely", "known"],
        }
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # At DEBUG they would say what is sent: cookies, for one.
        **{
            name: {"level": "WARNING"}
            for name in ("httpcore", "httpx", "httpx2", "stripe")
        },
        # Django's own handlers would say it a second time, as it came.
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        # A worker at rest runs a task every second: what fails is said at any level.
        "celery.app.trace": {"level": "DEBUG" if LOG_LEVEL == "DEBUG" else "WARNING"},
    },
}

# --- at last: what was not understood, and what nothing has read -----------------
env.refuse()
UNKNOWN_VARIABLES = env.unknown()
