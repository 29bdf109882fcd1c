"""The table of what `/v1` refuses because of the upstream, and of its jobs.

A row is as in `refusals.py`, which is about what we refuse ourselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from proxy.http.errors import GatewayError, Refusal

# --- the upstream ---

# The client's own mistake as the upstream names it; nothing was charged.
refused_upstream = Refusal("upstream_refused", 400)
upstream_rate_limited = Refusal("upstream_rate_limited", 429, None, 1).says(
    "The upstream is at its rate limit. Nothing was charged; try again soon."
)
# The upstream refused the operator's own account.
upstream_unavailable = Refusal("upstream_unavailable", 503).says(
    "The upstream is not available to this gateway at the moment. The operator has "
    "been told; nothing was charged."
)
upstream_unreachable = Refusal("upstream_error", 502, True, 1).says(
    "The upstream cannot be reached. Nothing was sent, nothing was charged."
)
upstream_declined = Refusal("upstream_error", 502).says(
    "The upstream could not take the call. Nothing was charged."
)
upstream_busy = Refusal("upstream_error", 503, True, 1).says(upstream_declined.sentence)
# It may have charged, so it is not to be tried again blindly.
no_usable_answer = Refusal("upstream_ambiguous", 502).says(
    "The upstream took the request but gave no usable answer. Whether it did the work "
    "is not known yet: the credits stay held until that is resolved."
)
no_answer_in_time = Refusal("upstream_ambiguous", 504).says(no_usable_answer.sentence)
# Said inside a stream, after the charge.
stream_broken = Refusal("upstream_ambiguous", 502).says(
    "The upstream broke off its answer ({}). What was delivered is charged."
)
no_model_list = Refusal("upstream_unavailable", 503, True, 2).says(
    "The list of models cannot be had from the upstream at the moment."
)
no_media = Refusal("media_unavailable", 502).says(
    "The call was made and charged, but its result could not be fetched from the "
    "upstream's storage ({reason}). Fetch it yourself from error.metadata.urls."
)
video_without_job = Refusal("upstream_no_job", 502).says(
    "The upstream made the video at once and not as a job. It was charged; fetch it "
    "yourself from error.metadata.urls."
)


def upstream_refused(
    status: int, message: str, code: str, param: str | None
) -> GatewayError:
    """`status` is the upstream's: 400, 404, 413, 415 or 422."""
    row = replace(refused_upstream, status=status, code=code or refused_upstream.code)
    return row(message or "The upstream refused the request.", param=param)


def upstream_ambiguous(reason: str) -> GatewayError:
    """504 for the reason `upstream_timeout`, else 502."""
    timed_out = reason == "upstream_timeout"
    return (no_answer_in_time if timed_out else no_usable_answer)(reason=reason)


def media_unavailable(urls: Sequence[str], reason: str) -> GatewayError:
    """The call was charged. Data URIs among `urls` are not repeated."""
    kept = [url for url in urls if url[:5].lower() != "data:"]
    return no_media(reason=reason, urls=kept)


# --- jobs whose end a client waits for ---

job_still_running = Refusal("job_still_running", 504).says(
    "The upstream still works on it, as {job_id}: GET /v1/jobs/{job_id} tells when it "
    "is done. It is paid for once."
)
job_without_result = Refusal("upstream_no_result", 502).says(
    "The upstream says that it finished the job, but gave no result."
)
# The job is over without a result, by the code and for the reason that its `failure`
# names: to a client that waits for the result, and to one that asks for the video.
JOB_ENDS = ("upstream_job_failed", "upstream_job_lost")
no_result = {code: Refusal(code, 502) for code in JOB_ENDS}
no_video = {code: Refusal(code, 404).says("There is no video. {}") for code in JOB_ENDS}
