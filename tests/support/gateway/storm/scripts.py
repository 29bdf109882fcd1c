"""The upstream of a storm: honest about most calls, and its journal about all."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Sequence

from tests.support.gateway.storm.plans import Plan, number_of
from tests.support.upstream import (
    Ending,
    Gate,
    JournalEntry,
    ScriptedReply,
    Upstream,
    error_json,
    html,
    job_status,
    json_reply,
    usage_of,
)
from tests.support.upstream.defaults import reply_to

ENTRY_ID = re.compile(r"up-\d+")
CHAT_ID = re.compile(rb'"id":"chatcmpl-[^"]*"')
FIGURES = re.compile(rb'"(credits_used|prompt_tokens|total_tokens)":\d+')
# None of them is a number of credits or tokens; the last two are not even JSON.
JUNK = (b"3.5", b"-4", b"1" + b"0" * 30, b'"5"', b"true", b"[]", b"1e400", b"NaN")
BUSY = {"busy": 503, "limited": 429, "refused": 400}


def entry_id(upstream_id: str) -> str:
    """Whose name this is: the journal entry's that answered with it."""
    found = ENTRY_ID.search(upstream_id)
    return found[0] if found else ""


class Script:
    """What `upstream` answers to each request of the plans."""

    def __init__(self, upstream: Upstream, plans: Sequence[Plan]) -> None:
        self.upstream = upstream
        self.plans = plans
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()
        self._submissions: dict[str, Plan] = {}
        self._gates = {plan.number: Gate() for plan in plans if plan.is_impatient}

    def client_left(self, number: int) -> None:
        """The client of this plan has given up on an attempt."""
        if gate := self._gates.get(number):
            gate.set()

    def __call__(self, entry: JournalEntry) -> ScriptedReply:
        if entry.method == "GET":
            plan = self._submissions.get(entry_id(entry.path))
            if plan is None:  # a file, or the list of models
                return reply_to(entry, base_url=self.upstream.url)
            return self._look(plan, entry)
        number = number_of(entry.model or "")
        assert number is not None, entry.model
        plan = self.plans[number]
        honest = self._honest(plan, entry)
        if plan.script in BUSY and self._count(plan.model) > 1:
            return honest  # who asks again is served
        if gate := self._gates.get(number):
            return honest.held(gate)
        return _bent(plan, honest)

    def _count(self, name: str) -> int:
        with self._lock:
            self._asked[name] += 1
            return self._asked[name]

    def _honest(self, plan: Plan, entry: JournalEntry) -> ScriptedReply:
        reply = reply_to(entry, base_url=self.upstream.url, credits=plan.credits)
        named = b'"id":"%s"' % entry.id.encode()
        steps = tuple(
            CHAT_ID.sub(named, step) if isinstance(step, bytes) else step
            for step in reply.steps
        )
        reply = reply.but(steps=steps)
        if plan.is_job:
            self._submissions[entry.id] = plan
            if plan.life == "fails":
                reply = reply.but(credits=0)
            if plan.life == "grows":
                larger = b'"estimated_credits":90'
                body = re.sub(rb'"estimated_credits":\d+', larger, reply.body)
                reply = reply.but(steps=(body,))
        return reply

    def _look(self, plan: Plan, entry: JournalEntry) -> ScriptedReply:
        """A job runs for a look or three, some of them no help, and then ends."""
        job_id = entry.path.rpartition("/")[2]
        looks = self._count(job_id)
        if looks <= plan.seed % 3:
            if plan.life == "falters":
                bad = error_json(404), error_json(500), html(), job_status("unheard-of")
                return bad[plan.seed % len(bad)]
            return job_status("processing", upstream_id=job_id)
        usage = usage_of(plan.credits)
        if plan.life == "fails":
            return job_status("failed", upstream_id=job_id, errorMessage="No.")
        if plan.life == "fails_charged":
            return job_status("failed", upstream_id=job_id, usage=usage)
        output = {"url": f"{self.upstream.url}/files/video.mp4"}
        if plan.operation == "music":
            output = {"audio_url": output["url"]}
        done = job_status(
            "completed", upstream_id=job_id, outputData=output, usage=usage
        )
        return _with_junk(plan, done) if plan.script == "junk" else done


def _bent(plan: Plan, honest: ScriptedReply) -> ScriptedReply:
    chance, credits = plan.chance, honest.credits
    match plan.script:
        case "slow":
            reply = honest.delayed(chance.uniform(0, 0.4))
            return reply.paced(0.03) if plan.operation == "stream" else reply
        case "junk":
            return honest if plan.is_job else _with_junk(plan, honest)
        case "busy" | "limited" | "refused":
            return error_json(BUSY[plan.script])
        case "broken":
            return error_json(500)
        case "broken_charged":
            return error_json(chance.choice((500, 502, 504, 524)), credits=credits)
        case "dropped":
            return honest.dropped()
        case "reset":
            return honest.dropped(Ending.RESET)
        case "silent":
            return honest.dropped(Ending.STALL)
        case "cut":
            if plan.operation == "stream":
                return honest.cut_after_events(chance.randrange(len(honest.steps)))
            return honest.cut_after_bytes(chance.randrange(1, len(honest.body)))
        case "stalled":
            if plan.operation == "stream":
                return honest.stall_after_events(chance.randrange(len(honest.steps)))
            return honest.after_bytes(len(honest.body) // 2, Ending.STALL)
        case "no_json":
            return html().but(credits=credits, charge="before")
        case "error_in_200":
            return json_reply({"error": {"message": "No."}}, credits=credits)
        case _:
            return honest


def _with_junk(plan: Plan, reply: ScriptedReply) -> ScriptedReply:
    # A job whose end cannot be read is asked about for a day: no storm is that long.
    junk = plan.chance.choice(JUNK[:-2] if plan.is_job else JUNK)
    steps = tuple(
        FIGURES.sub(lambda found: b'"%s":%s' % (found[1], junk), step)
        if isinstance(step, bytes)
        else step
        for step in reply.steps
    )
    return reply.but(steps=steps)
