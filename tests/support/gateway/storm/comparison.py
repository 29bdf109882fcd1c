"""The ledger beside the upstream's journal, call by call: every difference in words.

A charge of the upstream is one charge of ours, by the organization's factor, or it is
listed: its hold is in doubt, or its usage record says that its price is no word of the
upstream's. Plain values in, sentences out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from billing.values.amounts import micros_of, price_of
from billing.values.orders import CREDIT
from tests.support.gateway.storm.clients import Answer
from tests.support.gateway.storm.plans import FACTORS_PPM, Plan, number_of
from tests.support.gateway.storm.scripts import entry_id
from tests.support.upstream import JournalEntry

Row: TypeAlias = dict[str, Any]

# Why a hold may come to doubt though the upstream's script was clear: its process was
# killed, or was paused for longer than the upstream is waited for.
DISTURBED = {"caller_died", "upstream_timeout"}


@dataclass(frozen=True)
class Charge:
    """What the upstream's journal says of one request."""

    entry_id: str
    number: int  # of its plan
    credits: int


@dataclass(frozen=True)
class Storm:
    """All that is known when it is over. Rows are as `books.write` wrote them."""

    plans: Sequence[Plan]
    journal: Sequence[Charge]
    answers: Sequence[Answer]
    accounts: Sequence[Row]  # by the organization's number
    granted: dict[str, int]
    holds: Sequence[Row]
    records: Sequence[Row]
    jobs: Sequence[Row]
    errors: Sequence[str]
    seen: Mapping[int, Sequence[str]] = field(default_factory=dict)


def charges(journal: Sequence[JournalEntry]) -> list[Charge]:
    """One for each request that could cost anything, even where it did not."""
    found = []
    for entry in journal:
        number = number_of(entry.model or "")
        if entry.method == "POST" and number is not None:
            credits = entry.credits if entry.charged else 0
            found.append(Charge(entry.id, number, credits))
    return found


def differences(storm: Storm) -> list[str]:
    """Empty when nothing differs that is not listed."""
    comparison = _Comparison(storm)
    return [*storm.errors, *comparison.find()]


def exact(storm: Storm) -> int:
    """How many calls were charged by the upstream's own word."""
    return sum(_is_exact(record) for record in storm.records)


def _is_exact(record: Row) -> bool:
    """Whether this price is the upstream's: it names tokens for embeddings."""
    is_computed = record["operation"] == "embeddings" and record["basis"] == "computed"
    return record["basis"] == "upstream" or (
        is_computed and "usage_invalid" not in record["flags"]
    )


@dataclass
class _Comparison:
    storm: Storm
    holds: dict[str, Row] = field(default_factory=dict)
    records: dict[str, Row] = field(default_factory=dict)

    def find(self) -> Iterator[str]:
        storm = self.storm
        self.holds = {hold["id"]: hold for hold in storm.holds}
        self.records = {record["hold_id"]: record for record in storm.records}
        yield from self._holds()
        yield from self._records()
        yield from self._unmatched()
        yield from self._repeats()
        yield from self._balances()
        yield from self._answers()
        yield from self._jobs()

    # --- the ledger by itself ------------------------------------------------------

    def _holds(self) -> Iterator[str]:
        """Each is over, and says so in one way."""
        for hold in self.storm.holds:
            record, name = self.records.get(hold["id"]), _name(hold)
            plan = self._plan(hold)
            if plan is None or hold["account_id"] != self._account(plan)["id"]:
                yield f"{name}: a hold for nobody's request"
                continue
            match hold["state"]:
                case "settled" if record is None or record["basis"] == "in_doubt":
                    yield f"{name}: settled without a price"
                case "released" if record and record["basis"] != "in_doubt":
                    yield f"{name}: released and charged"
                case "in_doubt" if record:
                    yield f"{name}: in doubt and charged"
                case "in_doubt" if (
                    not plan.is_unclear and hold["reason"] not in DISTURBED
                ):
                    yield f"{name}: in doubt for {hold['reason']} without a cause"
                case "open":
                    yield f"{name}: still open"

    def _balances(self) -> Iterator[str]:
        charged: Counter[int] = Counter()
        held: Counter[int] = Counter()
        for record in self.storm.records:
            charged[record["account_id"]] += record["charged_micros"]
        for hold in self.storm.holds:
            if hold["state"] in ("open", "in_doubt"):
                held[hold["account_id"]] += hold["amount_micros"]
        for account in self.storm.accounts:
            id_ = account["id"]
            expected = self.storm.granted[str(id_)] - charged[id_]
            if account["balance_micros"] != expected:
                yield f"account {id_}: {account['balance_micros']}, not {expected}"
            if account["held_micros"] != held[id_]:
                yield f"account {id_}: {account['held_micros']} held, not {held[id_]}"

    # --- beside the journal --------------------------------------------------------

    def _records(self) -> Iterator[str]:
        """What we charged, the upstream charged: once, as much, for this request."""
        entries = {charge.entry_id: charge for charge in self.storm.journal}
        seen: dict[str, Row] = {}
        for record in self.storm.records:
            name, key = _name(record), entry_id(record["upstream_id"])
            if record["basis"] == "in_doubt":
                if record["price_micros"]:
                    yield f"{name}: charged for a doubt"
                continue
            if key not in entries:
                yield f"{name}: charged, and the upstream knows nothing of it"
                continue
            if key in seen:
                yield f"{name}: {key} is charged twice, see {_name(seen[key])}"
            seen[key] = record
            yield from self._price(record, entries[key])

    def _price(self, record: Row, charge: Charge) -> Iterator[str]:
        name, plan = _name(record), self._plan(record)
        if plan is None or plan.number != charge.number:
            yield f"{name}: charged for {charge.entry_id}, another's call"
            return
        factor_ppm = FACTORS_PPM[plan.organization]
        price = price_of(charge.credits * CREDIT, factor_ppm)
        if record["charged_micros"] != record["price_micros"]:
            yield f"{name}: the operator bore a part, and there were credits enough"
        if _is_exact(record):
            if record["price_micros"] != price:
                yield f"{name}: {record['price_micros']}, the upstream {price}"
        elif record["price_micros"] > self._held_micros(record):
            yield f"{name}: guessed, and more than its bound"

    def _held_micros(self, record: Row) -> int:
        hold = self.holds.get(record["hold_id"])
        return int(hold["amount_micros"]) if hold else 0

    def _unmatched(self) -> Iterator[str]:
        """What only the upstream charged for: each has a doubt that lists it."""
        matched = {
            entry_id(record["upstream_id"])
            for record in self.storm.records
            if record["basis"] != "in_doubt"
        }
        sent: Counter[int] = Counter()
        unmatched: Counter[int] = Counter()
        for charge in self.storm.journal:
            sent[charge.number] += 1
            is_missing = charge.credits and charge.entry_id not in matched
            unmatched[charge.number] += bool(is_missing)
        holds: Counter[int | None] = Counter()
        doubts: Counter[int | None] = Counter()
        for hold in self.storm.holds:
            number = number_of(hold["model"])
            holds[number] += 1
            record = self.records.get(hold["id"])
            is_listed = record is not None and record["basis"] == "in_doubt"
            doubts[number] += hold["state"] == "in_doubt" or is_listed
        for number in sent:
            if sent[number] > holds[number]:
                yield f"request {number}: sent {sent[number]} times, held less often"
            if unmatched[number] > doubts[number]:
                yield f"request {number}: charged by the upstream, and nowhere listed"

    def _repeats(self) -> Iterator[str]:
        """A request that says that it may come again is charged by the upstream once,
        however often it came."""
        times: Counter[int] = Counter()
        for charge in self.storm.journal:
            times[charge.number] += bool(charge.credits)
        for number, count in times.items():
            if count > 1:
                plan = self.storm.plans[number]
                how = f"{plan.operation}, {plan.script}, {plan.manners}"
                holds = [
                    f"{hold['id']} {hold['state']} {hold['reason']}"
                    for hold in self.storm.holds
                    if number_of(hold["model"]) == number
                ]
                seen = self.storm.seen.get(number)
                yield (
                    f"request {number} ({how}): {count} times upstream, {holds}, "
                    f"its client saw {seen}"
                )

    # --- beside what clients and jobs were told ------------------------------------

    def _answers(self) -> Iterator[str]:
        """Who has an answer has paid for it, and as much as it says."""
        for answer in self.storm.answers:
            name = f"the answer {answer.request_id} to request {answer.number}"
            id_ = answer.request_id.removeprefix("req_")
            hold, record = self.holds.get(id_), self.records.get(id_)
            if hold is None or number_of(hold["model"]) != answer.number:
                yield f"{name}: nobody's hold"
                continue
            plan = self.storm.plans[answer.number]
            # A stream, or a job's receipt, is answered before anybody knows its price.
            if not answer.charged or answer.is_repeat:
                continue
            if hold["state"] != "settled" or record is None:
                yield f"{name}: {hold['state']}, {plan.operation}"
            # Zero where the ledger was away when it was asked.
            elif micros_of(answer.charged) not in (0, record["charged_micros"]):
                yield f"{name}: {answer.charged} credits, {record['charged_micros']}"

    def _jobs(self) -> Iterator[str]:
        for job in self.storm.jobs:
            hold, record = self.holds.get(job["id"]), self.records.get(job["id"])
            name = f"the job {job['id']} ({job['model']}, {job['state']})"
            if hold is None:
                yield f"{name}: without a hold"
            elif job["state"] == "completed" and hold["state"] != "settled":
                yield f"{name}: its hold is {hold['state']}"
            elif job["state"] == "lost" and hold["state"] == "settled":
                yield f"{name}: its hold is settled"
            elif record and job["charged_micros"] not in (
                None,
                record["charged_micros"],
            ):
                yield f"{name}: {job['charged_micros']}, {record['charged_micros']}"

    def _plan(self, row: Row) -> Plan | None:
        number = number_of(row["model"])
        return None if number is None else self.storm.plans[number]

    def _account(self, plan: Plan) -> Row:
        return self.storm.accounts[plan.organization]


def _name(row: Row) -> str:
    return f"{row['model']} (hold {row.get('id') or row['hold_id']})"
