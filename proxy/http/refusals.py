"""What `/v1` says when it refuses: a function for each sentence.

Their codes, statuses and advice to retry are the table in `errors.py`. A call site
raises what a function here returns, and nobody else builds a `GatewayError`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from django.conf import settings
from rest_framework import exceptions as drf

from billing.values import errors as ledger_errors
from billing.values.amounts import credits_text
from portal.tenants.errors import KeyRefused
from portal.tenants.keys import Identity
from proxy.http import unsupported
from proxy.http.errors import GatewayError, Refusal
from proxy.http.handler import BodyTooLarge, ClientGone

# --- the request ---


def invalid(message: str, *, param: str | None = None) -> GatewayError:
    return Refusal.INVALID_REQUEST(message, param=param)


def unsupported_parameter(message: str, *, param: str) -> GatewayError:
    """A field that would be paid for, or change the answer, and is not supported."""
    return Refusal.UNSUPPORTED_PARAMETER(message, param=param)


def unsupported_content(message: str, *, param: str) -> GatewayError:
    return Refusal.UNSUPPORTED_CONTENT(message, param=param)


def invalid_idempotency_key(length_max: int) -> GatewayError:
    return Refusal.INVALID_IDEMPOTENCY_KEY(
        f"Idempotency-Key must be 1 to {length_max} printable characters."
    )


def compressed_body() -> GatewayError:
    return Refusal.UNSUPPORTED_ENCODING(
        "Compressed request bodies are not accepted: send it plain."
    )


def not_json(content_type: str) -> GatewayError:
    return Refusal.UNSUPPORTED_MEDIA_TYPE(
        f"Content-Type is {content_type[:80]}; this takes application/json."
    )


def too_many_uploads() -> GatewayError:
    return Refusal.TOO_MANY_UPLOADS(
        "The gateway is busy with other uploads and has not read this one. "
        "Nothing was charged; try again shortly."
    )


def unsupported_endpoint(method: str | None, path: str) -> GatewayError:
    return Refusal.UNSUPPORTED_ENDPOINT(
        f"There is no {method} {path[:200]}. {unsupported.advice(path)}"
    )


def wrong_method(method: str, path: str, allowed: Sequence[str]) -> GatewayError:
    """405; or 404, as for a path that nobody answers, where OpenAI has the method."""
    if advice := unsupported.advice_on_method(method, path):
        return Refusal.UNSUPPORTED_ENDPOINT(
            f"There is no {method} {path[:200]}. {advice}"
        )
    error = Refusal.METHOD_NOT_ALLOWED(f'Method "{method}" not allowed.')
    error.allow = ", ".join(allowed)
    return error


# --- the key and its credits ---


def key_missing() -> GatewayError:
    return Refusal.MISSING_API_KEY(
        "No API key: send it as 'Authorization: Bearer tg_live_…'."
    )


def key_refused(error: KeyRefused) -> GatewayError:
    """In the portal's words, which say what to do about it."""
    return Refusal[error.code.upper()](str(error))


def organization_suspended() -> GatewayError:
    return Refusal.ORGANIZATION_SUSPENDED(
        "This organization is suspended. Ask your operator."
    )


def shortfall(
    error: ledger_errors.InsufficientCredits, identity: Identity
) -> GatewayError:
    """402, or 429 when it is enough as soon as running calls have settled."""
    required, available, held = (
        credits_text(micros)
        for micros in (error.required_micros, error.available_micros, error.held_micros)
    )
    if isinstance(error, ledger_errors.CreditsOnHold):
        refusal = Refusal.CREDITS_ON_HOLD
        message = (
            f"This request needs up to {required} credits; {available} are available "
            f"now and {held} are held for calls still running. Try again when they "
            "have settled."
        )
    else:
        refusal = Refusal.INSUFFICIENT_CREDITS
        # The status comes first: most people see nothing but the message.
        message = (
            f"402: this request needs up to {required} credits; {available} are "
            f"available ({held} held for running calls). Lower max_tokens, or add "
            f"credits: {settings.PUBLIC_URL}/o/{identity.organization_slug}/"
        )
    return refusal(
        message,
        required_credits=required,
        available_credits=available,
        held_credits=held,
        limit_source="organization",
    )


def rate_limit_exceeded(wait_seconds: float | None) -> GatewayError:
    error = Refusal.RATE_LIMIT_EXCEEDED(
        "This is more than is allowed in so short a time. Try again later."
    )
    if wait_seconds is not None:
        error.retry_after_seconds = math.ceil(wait_seconds)
    return error


# --- what is not there ---


def model_not_found(model: str) -> GatewayError:
    return Refusal.MODEL_NOT_FOUND(
        f"There is no model {model[:200]}. GET /v1/models lists them.", param="model"
    )


def model_not_priced(model: str) -> GatewayError:
    return Refusal.MODEL_NOT_FOUND(
        f"The model {model[:200]} has no price here, so it cannot be called.",
        param="model",
    )


def job_not_found() -> GatewayError:
    """The same for another account's job, for none, and for an id we did not issue."""
    return Refusal.JOB_NOT_FOUND("There is no such job.")


def request_not_found() -> GatewayError:
    return Refusal.REQUEST_NOT_FOUND(
        "Your organization made no call with this request id. An id is the "
        "x-request-id of a reply; a call refused before it began is not kept.",
        param="id",
    )


def video_not_ready(status: str, progress: int, public_id: str) -> GatewayError:
    """Not to be tried again at once: who waits asks for the status. `progress` in %."""
    return Refusal.VIDEO_NOT_READY(
        f"The video is not finished: {status}, {progress} %. "
        f"GET /v1/videos/{public_id} tells when it is.",
        status=status,
        progress=progress,
    )


def no_video(code: str, reason: str) -> GatewayError:
    """The job is over without a video, for the reason that its `failure` names."""
    lost = code == "upstream_job_lost"
    refusal = Refusal.VIDEO_LOST if lost else Refusal.VIDEO_FAILED
    return refusal(f"There is no video. {reason}")


def video_expired(message: str) -> GatewayError:
    return Refusal.VIDEO_EXPIRED(message)


# --- requests that are sent again ---


def request_in_progress() -> GatewayError:
    """Every SDK tries this one again by itself."""
    return Refusal.REQUEST_IN_PROGRESS(
        "This request was sent before and is still running. Ask again shortly: it "
        "is not made twice."
    )


def already_completed(request_id: str, charged_micros: int) -> GatewayError:
    """It was charged, and its reply is not kept any more."""
    charged = credits_text(charged_micros)
    return Refusal.ALREADY_COMPLETED(
        f"This request was sent before: {request_id} has completed and was charged "
        f"{charged} credits. Its answer is no longer here, and it is not made twice. "
        f"See GET /v1/requests/{request_id}.",
        request_id=request_id,
        charged_credits=charged,
    )


def earlier_in_doubt(request_id: str) -> GatewayError:
    """It was sent before, and nobody knows yet what the upstream did."""
    return Refusal.EARLIER_IN_DOUBT(
        f"This request was sent before, and how {request_id} ended is not known yet. "
        f"It is not made twice. See GET /v1/requests/{request_id}.",
        request_id=request_id,
    )


def idempotency_mismatch() -> GatewayError:
    return Refusal.IDEMPOTENCY_MISMATCH(
        "This Idempotency-Key was used for another request. Use a new key for each "
        "request, and the same key only to send it again unchanged."
    )


# --- the upstream ---


def upstream_refused(
    status: int, message: str = "", code: str = "", param: str | None = None
) -> GatewayError:
    """The client's own mistake as the upstream names it; nothing was charged.

    `status` is the upstream's: 400, 404, 413, 415 or 422.
    """
    error = Refusal.UPSTREAM_REFUSED(
        message or "The upstream refused the request.", param=param
    )
    error.status, error.code = status, code or error.code
    return error


def upstream_rate_limited(retry_after_seconds: int) -> GatewayError:
    error = Refusal.UPSTREAM_RATE_LIMITED(
        "The upstream is at its rate limit. Nothing was charged; try again soon."
    )
    error.retry_after_seconds = retry_after_seconds
    return error


def upstream_unavailable() -> GatewayError:
    """The upstream refused the operator's own account."""
    return Refusal.UPSTREAM_UNAVAILABLE(
        "The upstream is not available to this gateway at the moment. The "
        "operator has been told; nothing was charged."
    )


def upstream_unreachable() -> GatewayError:
    return Refusal.UPSTREAM_UNREACHABLE(
        "The upstream cannot be reached. Nothing was sent, nothing was charged."
    )


def upstream_error(status: int) -> GatewayError:
    """It did not take the call. `status` is the upstream's; 503 means try again."""
    refusal = Refusal.UPSTREAM_BUSY if status == 503 else Refusal.UPSTREAM_DECLINED
    return refusal("The upstream could not take the call. Nothing was charged.")


def upstream_ambiguous(reason: str) -> GatewayError:
    """It may have charged, so it is not to be tried again blindly: 504 for the reason
    `upstream_timeout`, else 502."""
    timed_out = reason == "upstream_timeout"
    refusal = Refusal.UPSTREAM_TIMEOUT if timed_out else Refusal.UPSTREAM_AMBIGUOUS
    return refusal(
        "The upstream took the request but gave no usable answer. Whether it did the "
        "work is not known yet: the credits stay held until that is resolved.",
        reason=reason,
    )


def stream_broken(reason: str) -> GatewayError:
    """Said inside a stream, after the charge."""
    return Refusal.UPSTREAM_AMBIGUOUS(
        f"The upstream broke off its answer ({reason}). What was delivered is charged."
    )


def no_model_list() -> GatewayError:
    return Refusal.NO_MODEL_LIST(
        "The list of models cannot be had from the upstream at the moment."
    )


def media_unavailable(urls: Sequence[str], reason: str) -> GatewayError:
    """The call was charged. Data URIs among `urls` are not repeated."""
    return Refusal.MEDIA_UNAVAILABLE(
        "The call was made and charged, but its result could not be fetched from the "
        f"upstream's storage ({reason}). Fetch it yourself from error.metadata.urls.",
        reason=reason,
        urls=[url for url in urls if url[:5].lower() != "data:"],
    )


def video_without_job(url: str | None) -> GatewayError:
    return Refusal.UPSTREAM_NO_JOB(
        "The upstream made the video at once and not as a job. It was charged; fetch "
        "it yourself from error.metadata.urls.",
        urls=[url] if url else [],
    )


# --- jobs whose end a client waits for ---


def job_still_running(job_id: str) -> GatewayError:
    return Refusal.JOB_STILL_RUNNING(
        f"The upstream still works on it, as {job_id}: "
        f"GET /v1/jobs/{job_id} tells when it is done. It is paid for once.",
        job_id=job_id,
    )


def job_failed(code: str, message: str, job_id: str) -> GatewayError:
    """`code` is `upstream_job_failed` or `upstream_job_lost`."""
    return Refusal[code.upper()](message, job_id=job_id)


def job_without_result(job_id: str) -> GatewayError:
    return Refusal.UPSTREAM_NO_RESULT(
        "The upstream says that it finished the job, but gave no result.",
        job_id=job_id,
    )


# --- faults of our own ---


def ledger_unavailable() -> GatewayError:
    return Refusal.LEDGER_UNAVAILABLE(
        "The ledger does not answer, so the call was not made. "
        "Nothing was charged; try again shortly."
    )


def not_settled() -> GatewayError:
    """The call was made: to try it again would pay the upstream twice."""
    return Refusal.NOT_SETTLED(
        "The call was made, but the ledger does not answer, so it could not be "
        "settled. The credits stay held until that is resolved."
    )


def stream_not_settled() -> GatewayError:
    """Said inside a stream."""
    return Refusal.NOT_SETTLED("The call could not be settled; it is resolved later.")


def internal_error() -> GatewayError:
    """A fault of ours; it is in the log under the request id."""
    return Refusal.INTERNAL_ERROR(
        "Something went wrong on our side. Quote the request id to your operator."
    )


# --- what is raised elsewhere ---


def translate(error: Exception) -> GatewayError | None:
    """What other layers raise, as a refusal; None for what nobody expected."""
    match error:
        case GatewayError():
            return error
        case ledger_errors.LedgerUnavailable():
            return ledger_unavailable()
        case BodyTooLarge():
            return Refusal.REQUEST_TOO_LARGE("The request body is too large.")
        case TimeoutError():
            return Refusal.REQUEST_TIMEOUT("The request body came too slowly.")
        case ClientGone():  # nobody reads it, but a repeat may have joined the call
            return Refusal.CLIENT_CLOSED_REQUEST("The client went away.")
        case drf.NotAuthenticated():
            return key_missing()
        case drf.PermissionDenied():
            return Refusal.PERMISSION_DENIED(str(error.detail))
        case drf.Throttled():
            return rate_limit_exceeded(error.wait)  # type: ignore[attr-defined]
    return None
