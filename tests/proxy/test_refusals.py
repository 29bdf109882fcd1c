"""The table of refusals, as clients know it, and that nothing refuses beside it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import chain
from string import Formatter

import pytest

from portal.tenants.errors import KeyRefused
from proxy.http import limit_refusals, refusals, upstream_refusals, webhook_refusals
from proxy.http.errors import GatewayError, Refusal
from tests.support import sources

TABLES = {
    "refusals": refusals,
    "limit_refusals": limit_refusals,
    "upstream_refusals": upstream_refusals,
    "webhook_refusals": webhook_refusals,
}
FILES = {"proxy/http/errors.py", *(f"proxy/http/{name}.py" for name in TABLES)}

AUTHENTICATION, INVALID = "authentication_error", "invalid_request_error"
CONFLICT, RATE, SERVER = "conflict_error", "rate_limit_error", "server_error"

# status, type, x-should-retry (None: not sent), Retry-After → the codes
TABLE: dict[tuple[int, str, bool | None, int | None], str] = {
    (400, INVALID, False, None): "invalid_request unsupported_parameter "
    "unsupported_content invalid_idempotency_key too_many_webhook_endpoints "
    "webhook_endpoint_unreachable "
    "upstream_refused",
    (401, AUTHENTICATION, False, None): "missing_api_key malformed_api_key "
    "invalid_api_key key_revoked key_disabled key_expired envelope_closed "
    "project_archived key_holder_disabled",
    (402, "insufficient_quota", False, None): "insufficient_credits "
    "organization_paused debt_unpaid budget_exceeded envelope_exhausted",
    (403, "permission_error", False, None): "organization_suspended permission_denied "
    "model_not_allowed operation_not_allowed address_not_allowed",
    (404, INVALID, False, None): "unsupported_endpoint model_not_found job_not_found "
    "request_not_found webhook_endpoint_not_found envelope_not_found video_expired "
    "upstream_job_failed upstream_job_lost",
    (405, INVALID, False, None): "method_not_allowed",
    (408, INVALID, False, None): "request_timeout",
    (408, INVALID, True, 1): "client_closed_request",
    (409, CONFLICT, None, 1): "request_in_progress",
    (409, CONFLICT, False, None): "already_completed upstream_ambiguous "
    "video_not_ready envelope_closed envelope_window_ended",
    (413, INVALID, False, None): "request_too_large request_too_complex",
    (415, INVALID, False, None): "unsupported_encoding unsupported_media_type",
    (422, INVALID, False, None): "idempotency_mismatch",
    (429, RATE, None, 2): "credits_on_hold budget_exceeded",
    # It never fits, or not until the client has closed some.
    (429, RATE, False, None): "rate_limit_exceeded too_many_envelopes",
    # Or as many seconds as the throttle, or the upstream, says.
    (429, RATE, None, 1): "rate_limit_exceeded upstream_rate_limited too_many_calls "
    "too_many_downloads too_many_questions too_many_keys",
    (429, RATE, True, 5): "too_many_uploads",
    (500, SERVER, False, None): "internal_error",
    (502, SERVER, True, 1): "upstream_error",  # nothing was sent
    (502, SERVER, False, None): "upstream_error upstream_ambiguous upstream_no_job "
    "upstream_no_result upstream_job_failed upstream_job_lost media_unavailable",
    (503, SERVER, True, 1): "upstream_error",
    (503, SERVER, False, None): "upstream_unavailable ledger_unavailable model_paused",
    (503, SERVER, True, 2): "upstream_unavailable ledger_unavailable gateway_busy",
    (503, SERVER, True, 5): "too_many_uploads",
    (504, SERVER, False, None): "upstream_ambiguous job_still_running",
}


def rows() -> Iterator[Refusal]:
    """Those with a name, and those that are found by their codes."""
    named = (vars(table).values() for table in TABLES.values())
    for value in chain.from_iterable(named):
        for row in value.values() if isinstance(value, dict) else [value]:
            if isinstance(row, Refusal):
                yield row


def test_every_refusal_is_in_the_table() -> None:
    found: dict[tuple[int, str, bool | None, int | None], set[str]] = {}
    for row in rows():
        error_type = GatewayError(row.status, row.code, "").type
        kind = (row.status, error_type, row.should_retry, row.retry_after_seconds)
        found.setdefault(kind, set()).add(row.code)

    assert found == {kind: set(codes.split()) for kind, codes in TABLE.items()}


def test_every_reason_to_refuse_a_key_has_a_row() -> None:
    assert {error.code for error in KeyRefused.__subclasses__()} == set(refusals.KEYS)


def row_called(call: ast.Call) -> object:
    """The row that is called by its table's name, or inside its own file; else None."""
    match call.func:
        case ast.Attribute(value=ast.Name(id=table), attr=name) if table in TABLES:
            return vars(TABLES[table]).get(name)
        case ast.Name(id=name):
            found = (vars(table).get(name) for table in TABLES.values())
            return next(filter(None, found), None)
    return None


def misfits(tree: ast.Module) -> Iterator[str]:
    """Calls of a row that leave a gap of its sentence open, or say more than fits."""
    # Another file may have a function of the same name.
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    own |= {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    } - set(TABLES)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        is_own = isinstance(node.func, ast.Name) and node.func.id in own
        row = None if is_own else row_called(node)
        if isinstance(row, Refusal):
            gaps = [gap for _, gap, _, _ in Formatter().parse(row.sentence)]
            named = {keyword.arg for keyword in node.keywords}
            if gaps.count("") != len(node.args) or not {*gaps} - {"", None} <= named:
                yield f"line {node.lineno}: {ast.unparse(node.func)}"


def test_every_gap_of_a_sentence_is_filled() -> None:
    findings = [
        f"{sources.name_of(path)}: {finding}"
        for path in sources.python_files("proxy")
        for finding in misfits(sources.tree_of(path))
    ]
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize(
    "planted",
    [
        "raise refusals.invalid(param='n')",
        "raise refusals.job_not_found('job_1')",
        "raise refusals.earlier_in_doubt('req_1')",
        "raise refusals.model_not_found(param='model')",
        "raise upstream_refusals.job_still_running()",
    ],
)
def test_a_gap_that_stays_open_is_found(planted: str) -> None:
    assert len(list(misfits(ast.parse(planted)))) == 1


def made_by_hand(tree: ast.Module) -> Iterator[str]:
    """Errors that are built from parts, and not by a function of `refusals`."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Call(func=ast.Name(id="GatewayError"))
                | ast.Call(func=ast.Attribute(attr="GatewayError"))
            ):
                yield f"line {node.lineno}: GatewayError("
            case ast.ImportFrom(module="proxy.http.errors", names=names):
                if any(alias.name == "Refusal" for alias in names):
                    yield "imports the table"


def test_refusals_are_made_in_one_place() -> None:
    findings = [
        f"{name}: {finding}"
        for path in sources.python_files("billing", "portal", "proxy")
        if (name := sources.name_of(path)) not in FILES
        for finding in made_by_hand(sources.tree_of(path))
    ]
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize(
    "planted",
    [
        "raise GatewayError(404, 'type', 'code', 'No.')",
        "raise errors.GatewayError(404, 'type', 'code', 'No.')",
        "from proxy.http.errors import GatewayError, Refusal",
    ],
)
def test_one_made_by_hand_is_found(planted: str) -> None:
    assert len(list(made_by_hand(ast.parse(planted)))) == 1
