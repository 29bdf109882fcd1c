"""Usage: a row a call, or a row a day × key × project × member × operation × model."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from billing.reports import keys, usage
from billing.reports.day_lines import DayLine, day_lines
from billing.reports.periods import Range
from billing.reports.usage import Chosen
from billing.reports.usage_lines import pieces
from billing.values.amounts import credits_text
from portal.documents.columns import Column, Row, Source, Type
from portal.documents.labels import Labels
from portal.models import Organization

CALLS = (
    Column("time", Type.TIME),
    Column("line", Type.PLAIN),
    Column("request_id", Type.PLAIN),
    Column("key"),
    Column("key_id", Type.PLAIN),
    Column("project"),
    Column("member"),
    Column("operation", Type.PLAIN),
    Column("model"),
    Column("client"),
    Column("session"),
    Column("basis", Type.PLAIN),
    Column("requests", Type.INT),
    Column("input_tokens", Type.INT),
    Column("output_tokens", Type.INT),
    Column("charged_micros", Type.INT),
    Column("credits", Type.DECIMAL),
    Column("remarks", Type.PLAIN),
    Column("cost_center"),
    Column("tags"),
)
DAYS = (
    Column("day", Type.DAY),
    Column("key"),
    Column("key_id", Type.PLAIN),
    Column("project"),
    Column("member"),
    Column("operation", Type.PLAIN),
    Column("model"),
    Column("requests", Type.INT),
    Column("input_tokens", Type.INT),
    Column("output_tokens", Type.INT),
    Column("charged_micros", Type.INT),
    Column("credits", Type.DECIMAL),
    Column("cost_center"),
    Column("tags"),
)
LINES_AT_ONCE = 2000


def calls(organization: Organization, span: Range) -> Source:
    """When it was booked is when it counts."""
    account_id = organization.account_id
    expected = usage.total(Chosen(account_id), span).requests
    return Source(CALLS, _calls(organization, span), expected)


def _calls(organization: Organization, span: Range) -> Iterator[Row]:
    labels = Labels(organization)
    for piece in pieces(organization.account_id, span):
        labels.learn({line.spender_id for line in piece.lines})
        for line in piece.lines:
            label = labels.of(line.spender_id, line.project_id)
            yield (
                line.at,
                piece.sort,
                f"req_{line.id}",
                line.spender_label,
                label.key_id,
                line.project_label,
                line.holder_label,
                line.operation,
                line.model,
                line.client,
                line.session,
                line.basis,
                line.requests,
                line.prompt_tokens,
                line.completion_tokens,
                line.charged_micros,
                credits_text(line.charged_micros),
                line.flags,
                label.cost_center,
                label.tags_text,
            )


def days(organization: Organization, span: Range) -> Source:
    """Days of the organization's time zone, by the names of now."""
    return Source(DAYS, _days(organization, span))


def _days(organization: Organization, span: Range) -> Iterator[Row]:
    names = Names(organization)
    zone = organization.account.time_zone
    for line in named_lines(organization, span, zone, names):
        label = names.labels.of(line.key_id, line.project_id)
        used = line.used
        yield (
            line.day,
            names.of_keys.get(line.key_id, ""),
            label.key_id,
            names.of_units.get(line.project_id, ""),
            names.of_units.get(line.holder_id, ""),
            line.operation,
            line.model,
            used.requests,
            used.prompt_tokens,
            used.completion_tokens,
            used.charged_micros,
            credits_text(used.charged_micros),
            label.cost_center,
            label.tags_text,
        )


class Names:
    """What keys and units are called now, and where their cost belongs; read as they
    appear."""

    def __init__(self, organization: Organization) -> None:
        self.labels = Labels(organization)
        self.of_keys: dict[int, str] = {0: ""}
        self.of_units: dict[int, str] = {0: ""}

    def learn(self, lines: list[DayLine]) -> None:
        key_ids = {line.key_id for line in lines} - self.of_keys.keys()
        units = {unit for line in lines for unit in (line.project_id, line.holder_id)}
        if key_ids:
            self.labels.learn(key_ids)
            self.of_keys |= dict.fromkeys(key_ids, "") | keys.key_names(key_ids)
        if unknown := units - self.of_units.keys():
            self.of_units |= dict.fromkeys(unknown, "") | keys.unit_names(unknown)


def named_lines(
    organization: Organization, span: Range, zone: str, names: Names
) -> Iterator[DayLine]:
    """Lines of days, whose names are known by then."""
    lines = day_lines(Chosen(organization.account_id), span, zone)
    while part := list(islice(lines, LINES_AT_ONCE)):
        names.learn(part)
        yield from part
