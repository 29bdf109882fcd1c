"""More of the table in `refusals.py`: what is refused of webhook endpoints."""

from __future__ import annotations

from proxy.http.errors import Refusal

not_found = Refusal("webhook_endpoint_not_found", 404).says(
    "The organization has no such webhook endpoint."
)
too_many = Refusal("too_many_webhook_endpoints", 400)
too_many_tests = Refusal("rate_limit_exceeded", 429)
no_answer = Refusal("webhook_endpoint_unreachable", 400).says(
    "The endpoint did not answer: {}."
)
