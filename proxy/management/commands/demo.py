"""`manage.py demo`: every kind of call, and the proof that its charge was exact."""

from __future__ import annotations

import secrets
import signal
import sys
import time
from argparse import ArgumentParser
from typing import Any

import httpx
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from billing.models import UsageRecord
from billing.reports.balance import balance_of
from billing.values import clock
from billing.values.amounts import credits_text
from billing.values.orders import CREDIT
from billing.verification.report import verify
from portal.management.commands import bootstrap
from portal.models import ApiKey, Organization, User
from portal.runtime import locations
from portal.tenants import audit, keys, projects
from proxy.demo import buying, documents, past, processes, team, telling

CREDITS = 500
JOB_SECONDS_MAX = 60
NAME = "Northwind"
EMAIL = "demo@example.com"
DEAR = {"model": "anthropic/claude-3.5-sonnet", "max_tokens": 131_072, "n": 40}
ACTOR = audit.Actor(None, "manage.py demo")


class Command(BaseCommand):
    help = "Start everything, make real calls, prove the ledger, and go on serving."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--exit", action="store_true", help="end after the calls and the proof"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.USES_SANDBOX:
            raise CommandError("The demo spends nothing real: unset UPSTREAM_BASE_URL.")
        # SIGTERM raises an exception, so that the processes are ended too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            self._run(stays=not options["exit"])
        except KeyboardInterrupt:
            self._say("\nStopped.")

    def _run(self, *, stays: bool) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        port = processes.port_or_free("PORT", settings.PORT)
        sandbox = processes.port_or_free("SANDBOX_PORT", settings.SANDBOX_PORT)
        url = f"http://{locations.in_url(settings.HOST)}:{port}"
        environment = {
            "PORT": str(port),
            "SANDBOX_PORT": str(sandbox),
            "SIGNUP": "open",  # a visitor tries that, too; its mail is in the log
            "SIGNUP_CREDITS": "100",
        }
        login = self._make_tenant()
        self._say("Starting the sandbox upstream, the server and the worker …")
        log = settings.VAR_DIR / "demo.log"
        with (
            buying.till(url) as till,
            telling.receiver() as receiver,
            processes.running(
                log, environment | till.environment | receiver.environment
            ),
        ):
            upstream = f"http://127.0.0.1:{sandbox}"
            is_right = self._make_calls(url, upstream, login, till, receiver)
            self._welcome(url, login)
            if not is_right:
                raise CommandError("Something above is wrong.")
            if stays:
                self._say("Serving until Ctrl-C.")
                while True:
                    signal.pause()

    def _welcome(self, url: str, login: dict[str, Any]) -> None:
        """Where to go, and as whom."""
        self._say(f"\n  Portal   {url}/o/{login['organization']}/")
        self._say(f"  Sign in  {login['email']}  {login['password']}")
        for email, role in login["team"]:
            self._say(f"           {email} ({role}), with the same password")
        self._say(f"  Gateway  {url}/v1   key {login['api_key']}\n")

    def _make_tenant(self) -> dict[str, Any]:
        """An organization with credits, a key, and a password that is known now; at
        the first run, with six weeks behind it."""
        if not Organization.objects.filter(bootstrapped_as=NAME).exists():
            self._live_through_six_weeks()
        made = self._bootstrap()
        made["password"] = secrets.token_urlsafe(12)
        user = User.objects.get(email=EMAIL)
        user.set_password(made["password"])
        user.save(update_fields=["password"])
        organization = Organization.objects.get(slug=made["organization"])
        made["team"] = team.set_passwords(organization, made["password"])
        return made

    def _live_through_six_weeks(self) -> None:
        self._say("Living through six weeks of a team's work …")
        now, begun = clock.now(), time.monotonic()
        with past.at(past.begin(now)):
            made = self._bootstrap()
            organization = Organization.objects.get(slug=made["organization"])
            found = team.make(organization, ACTOR)
        count = past.live(found, now)
        team.limit(found)
        self._say(f"{count} calls, in {time.monotonic() - begun:.0f} s.")

    def _bootstrap(self) -> dict[str, Any]:
        made: dict[str, Any] = bootstrap.make(
            {
                "organization": NAME,
                "email": EMAIL,
                "credits": CREDITS,
                "password": None,
                "key_name": "demo",
                # Each run brings its own credits, so that none ends short of them.
                "reference": f"demo:{secrets.token_hex(8)}",
            }
        )
        return made

    def _make_calls(
        self,
        url: str,
        upstream: str,
        login: dict[str, Any],
        till: buying.Till,
        receiver: telling.Receiver,
    ) -> bool:
        """Make the calls, show them, prove them; whether all was right."""
        try:
            from openai import OpenAI

            from proxy.demo import calls, limits
        except ImportError:
            raise CommandError("The demo needs: pip install -e '.[demo]'") from None
        organization = Organization.objects.get(slug=login["organization"])
        before = journal(upstream)["count"]
        client = OpenAI(base_url=f"{url}/v1", api_key=login["api_key"])
        revoked = client.with_options(api_key=self._revoked_key(organization))
        lines = [buying.buy(url, login)]
        lines.append(telling.listen(client, receiver, organization, ACTOR))
        lines += [*calls.texts(client), *calls.media(client)]
        lines.append(calls.refused("far too dear a call", client, **DEAR))
        video, job_id = calls.video_job(client)
        lines.append(self._settled_by_the_worker(video, job_id))
        lines.append(calls.job(client, job_id))
        lines.append(calls.refused("with a revoked key", revoked))
        limited, secret = self._another_key(organization, "with a budget")
        limits.limit(limited)
        lines.append(limits.budget(client.with_options(api_key=secret)))
        lines += limits.run(client)
        lines += telling.told(client, receiver)
        self._show(lines, organization)
        is_exact = self._prove(organization, upstream, before)
        sentence, is_paid = buying.prove(till)
        self._say(f"  {sentence}")
        said, adds_up = documents.make(organization, ACTOR)
        for text in said:
            self._say(f"  {text}")
        is_exact = is_exact and is_paid and adds_up
        return is_exact and all(line.is_right for line in lines)

    def _settled_by_the_worker(self, line: Any, job_id: str) -> Any:
        """The job's line once the worker has settled it; nobody else asks about it."""
        hold_id = job_id.removeprefix("job_")
        deadline = time.monotonic() + JOB_SECONDS_MAX
        while time.monotonic() < deadline:
            record = UsageRecord.objects.filter(hold_id=hold_id).first()
            if record:
                left = balance_of(record.account_id)
                return line._replace(
                    outcome=f"{line.outcome}, then the worker",
                    charged=credits_text(record.charged_micros),
                    remaining=credits_text(left.available_micros),
                )
            time.sleep(0.1)
        return line._replace(outcome="was NOT settled", is_right=False)

    def _another_key(self, organization: Organization, name: str) -> tuple[ApiKey, str]:
        project = projects.default_of(organization)
        holder = organization.memberships.earliest("created_at")
        return keys.issue(project, name, actor=ACTOR, holder=holder)

    def _revoked_key(self, organization: Organization) -> str:
        key, secret = self._another_key(organization, "revoked at once")
        keys.revoke(ApiKey.objects.get(pk=key.pk), actor=ACTOR)
        return secret

    def _show(self, lines: list[Any], organization: Organization) -> None:
        layout = "  {:<20} {:<28} {:>8} {:>8} {:>9}"
        heads = ("call", "answer", "held", "charged", "balance")
        for line in (("",) * 5, heads, *lines):
            self._say(layout.format(*line).rstrip())
        left = balance_of(organization.account_id)
        self._say(
            f"\n  Balance {credits_text(left.balance_micros)}, held "
            f"{credits_text(left.held_micros)}, available "
            f"{credits_text(left.available_micros)} credits."
        )

    def _prove(self, organization: Organization, upstream: str, before: int) -> bool:
        report = verify()
        for finding in report.findings:
            self._say(f"  {finding.severity}: {finding.code} {finding.detail}")
        state = "clean" if report.ok else "WRONG"
        self._say(f"  verify_ledger: {state}, {report.totals['entries']} entries.")
        entries = journal(upstream, since=before)["entries"]
        ours, theirs, differing = compare(organization.account_id, entries)
        verdict = f"DIFFERENT: {differing}" if differing else "equal"
        self._say(
            f"  Over {len(entries)} calls we charged {ours} credits, "
            f"the upstream's journal says {theirs}: {verdict}."
        )
        return report.ok and not differing and bool(entries)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def journal(upstream: str, *, since: int = 0) -> dict[str, Any]:
    """The sandbox's journal from its entry number `since` on."""
    reply = httpx.get(
        f"{upstream}/journal",
        params={"since": since},
        headers={"authorization": f"Bearer {settings.UPSTREAM_API_KEY}"},
        timeout=30,
        trust_env=False,
    )
    found: dict[str, Any] = reply.raise_for_status().json()
    return found


def compare(
    account_id: int, entries: list[dict[str, Any]]
) -> tuple[int, int, list[str]]:
    """Our credits, the journal's, and the ids of the calls where they differ."""
    theirs = {entry["id"]: entry["credits"] * CREDIT for entry in entries}
    records = UsageRecord.objects.filter(account_id=account_id, upstream_id__in=theirs)
    ours = dict(records.values_list("upstream_id", "price_micros"))
    differing = [name for name in theirs if ours.get(name) != theirs[name]]
    return sum(ours.values()) // CREDIT, sum(theirs.values()) // CREDIT, differing
