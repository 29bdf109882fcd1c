"""The table of what `/v1` refuses by itself; what it refuses because of the upstream
is in `upstream_refusals.py`. A call site raises what a row, called, returns.

A row is a code and a status; where it is not just "false", x-should-retry (None: not
sent, the SDK decides by the status) and Retry-After in seconds; and the sentence.
Nobody else builds a `GatewayError`.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from rest_framework import exceptions as drf

from billing.values import errors as ledger_errors
from billing.values.amounts import credits_text
from portal.tenants.errors import KeyRefused
from portal.tenants.keys import Identity
from proxy.http import unsupported
from proxy.http.errors import GatewayError, Refusal
from proxy.http.handler import BodyTooLarge, ClientGone

# --- the request ---

invalid = Refusal("invalid_request", 400)
# A field that would be paid for, or change the answer, and is not supported.
unsupported_parameter = Refusal("unsupported_parameter", 400)
unsupported_content = Refusal("unsupported_content", 400)
invalid_idempotency_key = Refusal("invalid_idempotency_key", 400).says(
    "Idempotency-Key must be 1 to {} printable characters."
)
# Nothing was made. A client that has not gone, but was slow to read, asks again.
client_gone = Refusal("client_closed_request", 408, True, 1).says(
    "The client went away, or its timeout passed, before the call was made."
)
body_too_slow = Refusal("request_timeout", 408).says(
    "The request body came too slowly."
)
body_too_large = Refusal("request_too_large", 413).says(
    "The request body is too large."
)
compressed_body = Refusal("unsupported_encoding", 415).says(
    "Compressed request bodies are not accepted: send it plain."
)
not_json = Refusal("unsupported_media_type", 415).says(
    "Content-Type is {:.80}; this takes application/json."
)
too_many_uploads = Refusal("too_many_uploads", 503, True, 5).says(
    "The gateway is busy with other uploads and has not read this one. "
    "Nothing was charged; try again shortly."
)
too_many_own_uploads = Refusal("too_many_uploads", 429, True, 5).says(
    "Other requests of your organization use its share of the gateway's memory. This "
    "one was not read, nothing was charged; try again shortly."
)
calls_crowded = Refusal("too_many_calls", 429, None, 1).says(
    "Your organization has as many calls running as its share of this gateway allows. "
    "Nothing was charged; try again when some have ended."
)
too_many_downloads = Refusal("too_many_downloads", 429, None, 1).says(
    "Your organization has as many downloads running as its share of this gateway "
    "allows. Try again when one has ended."
)
too_many_questions = Refusal("too_many_questions", 429, None, 1).says(
    "Your organization asks and changes as much at once as its share of this gateway "
    "allows. Nothing was done; try again when that has been answered."
)
too_many_keys = Refusal("too_many_keys", 429, None, 1).says(
    "So many keys that this gateway has not seen before come from your network that "
    "this one was not looked up. Nothing was charged; try again shortly."
)
gateway_busy = Refusal("gateway_busy", 503, True, 2).says(
    "The gateway is busy with other calls. Nothing was charged; try again shortly."
)
# Twenty MiB of keys cost far more than their bytes.
too_complex = Refusal("request_too_complex", 413)
method_not_allowed = Refusal("method_not_allowed", 405).says('Method "{}" not allowed.')
no_endpoint = Refusal("unsupported_endpoint", 404).says("There is no {} {:.200}. {}")


def unsupported_endpoint(method: str | None, path: str) -> GatewayError:
    return no_endpoint(method, path, unsupported.advice(path))


def wrong_method(method: str, path: str, allowed: Sequence[str]) -> GatewayError:
    """405; or 404, as for a path that nobody answers, where OpenAI has the method."""
    if advice := unsupported.advice_on_method(method, path):
        return no_endpoint(method, path, advice)
    error = method_not_allowed(method)
    error.allow = ", ".join(allowed)
    return error


# --- the key and its credits ---

key_missing = Refusal("missing_api_key", 401).says(
    "No API key: send it as 'Authorization: Bearer tg_live_…'."
)
# By the portal's codes, and in its words, which say what to do about it.
KEYS = {
    code: Refusal(code, 401)
    for code in (
        *("malformed_api_key", "invalid_api_key", "key_revoked", "key_expired"),
        "key_disabled",
        *("project_archived", "key_holder_disabled"),
        "envelope_closed",
    )
}
permission_denied = Refusal("permission_denied", 403)
organization_suspended = Refusal("organization_suspended", 403).says(
    "This organization is suspended. Ask your operator."
)
# Until the operator has looked (`manage.py bounds`).
organization_paused = Refusal("organization_paused", 402).says(
    "402: the calls of this organization are paused. They have cost more than was held "
    "for them and than it had, and the operator, who bears the rest, has been told. "
    "Nothing was charged. Ask your operator."
)
# Its next credits pay the debt first; the operator may write it off.
debt_unpaid = Refusal("debt_unpaid", 402).says(
    "402: this organization owes {owed_credits} credits, because credits it had spent "
    "were taken back. Add credits, which pay that first: {}"
)
debt_of_others = Refusal("debt_unpaid", 402).says(
    "402: this organization owes credits. Ask whoever manages it: {}"
)
model_paused = Refusal("model_paused", 503).says(
    "Calls of {:.200} are paused: they cost more than their price says, and the "
    "operator has been told. Nothing was charged; other models can be called."
)
rate_limit_exceeded = Refusal("rate_limit_exceeded", 429, None, 1).says(
    "This is more than is allowed in so short a time. Try again later."
)
credits_on_hold = Refusal("credits_on_hold", 429, None, 2).says(
    "This request needs up to {required_credits} credits; {available_credits} are "
    "available now and {held_credits} are held for calls still running. Try again "
    "when they have settled."
)
credits_held_by_others = Refusal("credits_on_hold", 429, None, 2).says(
    "This request needs up to {required_credits} credits, which calls still running "
    "hold. Try again when they have settled."
)
# The status comes first: most people see nothing but the message.
# The same, for a key that does not tell what the organization has.
short_of_credits = Refusal("insufficient_credits", 402).says(
    "402: this request needs up to {required_credits} credits, more than your "
    "organization has available. Lower max_tokens, or ask for credits: {}"
)
insufficient_credits = Refusal("insufficient_credits", 402).says(
    "402: this request needs up to {required_credits} credits; {available_credits} are "
    "available ({held_credits} held for running calls). Lower max_tokens, or add "
    "credits: {}"
)


def key_refused(error: KeyRefused) -> GatewayError:
    refused = KEYS[error.code](str(error))
    refused.spender_id = error.spender_id
    return refused


def shortfall(
    error: ledger_errors.InsufficientCredits, identity: Identity
) -> GatewayError:
    """402, or 429 when it is enough as soon as running calls have settled."""
    may_wait = isinstance(error, ledger_errors.CreditsOnHold)
    if not identity.sees_balance:
        hidden = credits_held_by_others if may_wait else short_of_credits
        return hidden(
            f"{settings.PUBLIC_URL}/o/{identity.organization_slug}/",
            required_credits=credits_text(error.required_micros),
            limit_source="organization",
        )
    refusal = credits_on_hold if may_wait else insufficient_credits
    return refusal(
        f"{settings.PUBLIC_URL}/o/{identity.organization_slug}/",
        required_credits=credits_text(error.required_micros),
        available_credits=credits_text(error.available_micros),
        held_credits=credits_text(error.held_micros),
        limit_source="organization",
    )


def debt(error: ledger_errors.DebtUnpaid, identity: Identity) -> GatewayError:
    url = f"{settings.PUBLIC_URL}/o/{identity.organization_slug}/"
    if not identity.sees_balance:
        return debt_of_others(url)
    return debt_unpaid(url, owed_credits=credits_text(error.owed_micros))


def of_account(error: ledger_errors.Refusal, identity: Identity) -> GatewayError | None:
    """What the ledger refuses whoever wants to hold an organization's credits."""
    match error:
        case ledger_errors.InsufficientCredits():
            return shortfall(error, identity)
        case ledger_errors.AccountClosed():
            return organization_suspended()
        case ledger_errors.DebtUnpaid():
            return debt(error, identity)
        case ledger_errors.OrganizationPaused():
            return organization_paused()
    return None


# --- what is not there ---

model_not_found = Refusal("model_not_found", 404).says(
    "There is no model {:.200}. GET /v1/models lists them."
)
model_not_priced = Refusal("model_not_found", 404).says(
    "The model {:.200} has no price here, so it cannot be called."
)
# The same for another account's job, for none, and for an id we did not issue.
job_not_found = Refusal("job_not_found", 404).says("There is no such job.")
request_not_found = Refusal("request_not_found", 404).says(
    "Your organization made no call with this request id. An id is the x-request-id "
    "of a reply; of a refused one the portal knows, under Activity, for a while."
)
# Not to be tried again at once: who waits asks for the status.
video_not_ready = Refusal("video_not_ready", 409).says(
    "The video is not finished: {status}, {progress} %. "
    "GET /v1/videos/{} tells when it is."
)
video_expired = Refusal("video_expired", 404)

# --- requests that are sent again ---

# Every SDK tries this one again by itself.
request_in_progress = Refusal("request_in_progress", 409, None, 1).says(
    "This request was sent before and is still running. Ask again shortly: it is not "
    "made twice."
)
# It was charged, and its reply is not kept any more.
already_completed = Refusal("already_completed", 409).says(
    "This request was sent before: {request_id} has completed and was charged "
    "{charged_credits} credits. Its answer is no longer here, and it is not made "
    "twice. See GET /v1/requests/{request_id}."
)
# It was sent before, and nobody knows yet what the upstream did.
earlier_in_doubt = Refusal("upstream_ambiguous", 409).says(
    "This request was sent before, and how {request_id} ended is not known yet. "
    "It is not made twice. See GET /v1/requests/{request_id}."
)
idempotency_mismatch = Refusal("idempotency_mismatch", 422).says(
    "This Idempotency-Key was used for another request. Use a new key for each "
    "request, and the same key only to send it again unchanged."
)

# --- faults of our own ---

ledger_unavailable = Refusal("ledger_unavailable", 503, True, 2).says(
    "The ledger does not answer, so the call was not made. "
    "Nothing was charged; try again shortly."
)
# The call was made: to try it again would pay the upstream twice.
not_settled = Refusal("ledger_unavailable", 503).says(
    "The call was made, but the ledger does not answer, so it could not be settled. "
    "The credits stay held until that is resolved."
)
# Said inside a stream.
stream_not_settled = Refusal("ledger_unavailable", 503).says(
    "The call could not be settled; it is resolved later."
)
# It is in the log under the request id.
internal_error = Refusal("internal_error", 500).says(
    "Something went wrong on our side. Quote the request id to your operator."
)


def translate(error: Exception) -> GatewayError | None:
    """What other layers raise, as a refusal; None for what nobody expected."""
    match error:
        case GatewayError():
            return error
        case ledger_errors.LedgerUnavailable():
            return ledger_unavailable()
        case SuspiciousOperation():  # a query of 1,001 fields
            return invalid("The query has too many fields.")
        case BodyTooLarge():
            return body_too_large()
        case TimeoutError():
            return body_too_slow()
        case ClientGone():
            return client_gone()
        case drf.NotAuthenticated():
            return key_missing()
        case drf.PermissionDenied():
            return permission_denied(str(error.detail))
        case drf.Throttled():
            wait: int | None = error.wait  # type: ignore[attr-defined]
            return rate_limit_exceeded(retry_after_seconds=wait)
    return None
