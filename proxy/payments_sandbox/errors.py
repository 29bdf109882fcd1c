"""Refusals in Stripe's own shape."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """A reply that is no success; `error` is the object below `"error"`.

    `is_kept`: an idempotency key keeps it, because the call had begun to act. Wrong
    parameters are refused before that and are not kept.
    """

    def __init__(self, status: int, error: dict[str, Any], *, is_kept: bool) -> None:
        super().__init__(error["message"])
        self.status = status
        self.error = error
        self.is_kept = is_kept


def invalid(param: str | None, message: str, code: str | None = None) -> Refusal:
    """400: what was asked for cannot be."""
    error: dict[str, Any] = {"type": "invalid_request_error", "message": message}
    if code:
        error["code"] = code
    if param:
        error["param"] = param
    return Refusal(400, error, is_kept=False)


def unexpected_state(message: str, code: str, **objects: Any) -> Refusal:
    """400: the object is not in a state that permits it."""
    error = {"type": "invalid_request_error", "code": code, "message": message}
    return Refusal(400, {**error, **objects}, is_kept=True)


def missing(kind: str, object_id: str, param: str = "id") -> Refusal:
    error = {
        "type": "invalid_request_error",
        "code": "resource_missing",
        "message": f"No such {kind}: '{object_id}'",
        "param": param,
    }
    return Refusal(404, error, is_kept=False)


def card(code: str, message: str, decline_code: str | None, **more: Any) -> Refusal:
    """402: the card said no; `more` is the intent it happened to."""
    error: dict[str, Any] = {"type": "card_error", "code": code, "message": message}
    if decline_code:
        error["decline_code"] = decline_code
    return Refusal(402, {**error, **more}, is_kept=True)


def other_parameters(key: str) -> Refusal:
    message = (
        "Keys for idempotent requests can only be used with the same endpoint and "
        f"parameters they were first used with. Try another key than '{key}' if you "
        "meant to execute a different request."
    )
    error = {"type": "idempotency_error", "message": message}
    return Refusal(400, error, is_kept=False)


def unauthorized() -> Refusal:
    error = {"type": "invalid_request_error", "message": "Invalid API Key provided."}
    return Refusal(401, error, is_kept=False)


def broken() -> Refusal:
    error = {"type": "api_error", "message": "The sandbox was told to fail."}
    return Refusal(500, error, is_kept=True)


def unknown_route(method: str, path: str) -> Refusal:
    error = {
        "type": "invalid_request_error",
        "message": f"Unrecognized request URL ({method}: {path}).",
    }
    return Refusal(404, error, is_kept=False)
