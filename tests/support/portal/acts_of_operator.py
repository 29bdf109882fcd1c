"""The same for what only the operator does."""

from __future__ import annotations

from uuid import UUID

from billing.values.orders import CREDIT
from portal.operator import bounds, corrections, doubts, late_words
from tests.support.cast import (
    make_call,
)
from tests.support.portal.learned import make_lesson, make_pause
from tests.support.portal.worlds import (
    Act,
    World,
    by_operator,
    decided,
    owing,
    released,
    reversed_grant,
)

ACTS_OF_THE_OPERATOR: dict[str, Act] = {
    "bounds.release": Act(
        by_operator(lambda it: make_pause(it.organization).id, bounds.release),
        ("bounds.release",),
    ),
    "bounds.forget": Act(
        by_operator(lambda it: make_lesson(it.organization).id, bounds.forget),
        ("bounds.forget",),
    ),
    "corrections.credit": Act(decided(corrections.credit, CREDIT), ("credits.credit",)),
    "corrections.debit": Act(decided(corrections.debit, CREDIT), ("credits.debit",)),
    "corrections.clawback": Act(
        decided(corrections.clawback, CREDIT), ("credits.clawback",)
    ),
    "corrections.write_off": Act(owing, ("debt.write_off",)),
    "corrections.reverse": Act(reversed_grant, ("grant.reverse",)),
    "corrections.refund": Act(
        by_operator(lambda it: UUID(make_call(it.key)), corrections.refund, CREDIT),
        ("call.refund",),
    ),
    "doubts.settle": Act(
        by_operator(World.doubt, doubts.settle, CREDIT), ("doubt.settle",)
    ),
    "doubts.release": Act(by_operator(World.doubt, doubts.release), ("doubt.release",)),
    "late_words.charge": Act(
        by_operator(World.word, late_words.charge), ("late_word.charge",)
    ),
    "late_words.dismiss": Act(
        by_operator(World.word, late_words.dismiss), ("late_word.dismiss",)
    ),
    "late_words.charge_call": Act(
        by_operator(
            lambda it: UUID(make_call(it.key)), late_words.charge_call, 4 * CREDIT
        ),
        ("call.charge",),
    ),
    "late_words.acknowledge": Act(
        by_operator(released, late_words.acknowledge),
        ("doubt.acknowledge",),
    ),
}
