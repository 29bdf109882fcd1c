"""Second words in random histories: what is said of calls that have ended."""

from __future__ import annotations

import uuid
from functools import partial

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from billing import corrections
from billing.models import Correction, Grant
from billing.models.correction import CorrectionKind
from tests.support.ledger.auditor import Answer, Auditor, Call, Lot


def figures(posted: corrections.Posted) -> Answer:
    return (posted.charged_micros, posted.absorbed_micros, posted.available_micros)


def given_by(of: uuid.UUID) -> int:
    """The grant that a refund or an amendment made."""
    return Grant.objects.get(transfer__correction_id=of).id


class SecondWords:
    """The operator's part of a history."""

    auditor: Auditor
    issued: list[int]
    posts = 0

    @rule(
        kind=st.sampled_from(["charge", "charge", "dismiss", "adjust", "refund"]),
        number=st.integers(0, 10**6),
        percent=st.integers(0, 300),
    )
    def second_word(self, kind: str, number: int, percent: int) -> None:
        calls = [c for c in self.auditor.calls.values() if not c.is_unresolved]
        waiting = [
            (call, price)
            for call in calls
            for price, state in call.words.items()
            if state == "pending"
        ]
        if kind in ("charge", "dismiss") and waiting:
            self._decide(kind, *waiting[number % len(waiting)])
        elif kind in ("adjust", "refund") and calls:
            call = calls[number % len(calls)]
            self._post(kind, call, call.amount * percent // 100)

    def _decide(self, kind: str, call: Call, price: int | None) -> None:
        words = Correction.objects.filter(hold_id=call.hold_id, state="pending")
        word = words.get(said_micros=price)
        if kind == "dismiss":
            corrections.dismiss(word.id, reason="history")
            call.words[price] = "dismissed"
        elif price is None:
            with pytest.raises(corrections.NotCorrectable):
                corrections.charge(word.id, reason="history")
        else:
            posted = corrections.charge(word.id, reason="history")
            assert figures(posted) == self.auditor.correct(call, price)
            call.words[price] = "posted"

    def _post(self, kind: str, call: Call, micros: int) -> None:
        self.posts += 1
        post = partial(
            corrections.post,
            uuid.UUID(call.hold_id),
            reference=str(self.posts),
            reason="history",
        )
        if kind == "adjust":
            posted = post(CorrectionKind.ADJUSTMENT, micros)
            call.said.add(micros)
            assert figures(posted) == self.auditor.correct(call, micros)
        elif 0 < micros <= call.charged and not call.is_refunded:
            lot = Lot(len(self.issued), micros, 50, is_promotion=False, expires_at=None)
            posted = post(CorrectionKind.REFUND, micros)
            self.issued.append(given_by(posted.correction_id))
            assert figures(posted) == self.auditor.refund(call, lot)
        elif micros:
            with pytest.raises(corrections.NotCorrectable):
                post(CorrectionKind.REFUND, micros)
