"""`manage.py demo`: every kind of call, and the proof that its charge was exact."""

from __future__ import annotations

import secrets
import signal
import sys
import time
from argparse import ArgumentParser
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from billing.models import UsageRecord
from billing.reports.balance import balance_of
from billing.values.amounts import credits_text
from billing.verification.report import verify
from portal.management.commands import bootstrap
from portal.models import ApiKey, Organization, User
from portal.tenants import audit, keys, projects
from proxy.demo import processes, proof

CREDITS = 500
JOB_SECONDS_MAX = 60
EMAIL = "demo@example.com"
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
        except processes.NotStarted as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            self._say("\nStopped.")

    def _run(self, *, stays: bool) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        port = processes.port_or_free("PORT", settings.PORT)
        sandbox = processes.port_or_free("SANDBOX_PORT", settings.SANDBOX_PORT)
        url = f"http://{settings.HOST}:{port}"
        environment = {"PORT": str(port), "SANDBOX_PORT": str(sandbox)}
        self._say("Starting the sandbox upstream, the server and the worker …")
        with processes.running(settings.VAR_DIR / "demo.log", environment):
            upstream = f"http://127.0.0.1:{sandbox}/api/v1"
            login = self._make_tenant()
            is_right = self._make_calls(url, upstream, login)
            self._say(f"\n  Portal   {url}/o/{login['organization']}/")
            self._say(f"  Sign in  {login['email']}  {login['password']}")
            self._say(f"  Gateway  {url}/v1   key {login['api_key']}\n")
            if not is_right:
                raise CommandError("Something above is wrong.")
            if stays:
                self._say("Serving until Ctrl-C.")
                self._wait()

    def _make_tenant(self) -> dict[str, Any]:
        """An organization with credits, a key, and a password that is known now."""
        password = secrets.token_urlsafe(12)
        options = {
            "organization": "Demo",
            "email": EMAIL,
            "credits": CREDITS,
            "password": password,
            "key_name": "demo",
            # Each run brings its own credits, so that none ends short of them.
            "reference": f"demo:{secrets.token_hex(8)}",
        }
        made = bootstrap.make(options)
        if made["password"] is None:
            user = User.objects.get(email=EMAIL)
            user.set_password(password)
            user.save(update_fields=["password"])
            made["password"] = password
        return made

    def _make_calls(self, url: str, upstream: str, login: dict[str, Any]) -> bool:
        """Make the calls, show them, prove them; whether all was right."""
        try:
            from openai import OpenAI

            from proxy.demo import calls
        except ImportError:
            raise CommandError("The demo needs: pip install -e '.[dev]'") from None
        organization = Organization.objects.get(slug=login["organization"])
        before = proof.journal(upstream, settings.UPSTREAM_API_KEY)["count"]
        client = OpenAI(base_url=f"{url}/v1", api_key=login["api_key"])
        lines = [
            calls.models(client),
            calls.plain(client),
            calls.streamed(client),
            calls.embeddings(client),
            calls.image(client),
            calls.image_edit(client),
            *calls.speech_and_back(client),
            calls.music(url, login["api_key"]),
            calls.too_dear(client),
        ]
        video, job_id = calls.video_job(url, login["api_key"])
        lines.append(self._settled_by_the_worker(video, job_id))
        lines.append(calls.job(url, login["api_key"], job_id))
        revoked = OpenAI(base_url=f"{url}/v1", api_key=self._revoked_key(organization))
        lines.append(calls.with_revoked_key(revoked))
        self._show(lines, organization)
        is_exact = self._prove(organization, upstream, before)
        return is_exact and all(line.is_right for line in lines)

    def _settled_by_the_worker(self, line: Any, job_id: str) -> Any:
        """The job's line once the worker has settled it; nobody else asks about it."""
        hold_id = job_id.removeprefix("job_")
        deadline = time.monotonic() + JOB_SECONDS_MAX
        while time.monotonic() < deadline:
            record = UsageRecord.objects.filter(hold_id=hold_id).first()
            if record:
                left = balance_of(record.account_id)
                return replace(
                    line,
                    outcome=f"{line.outcome}, then the worker",
                    charged=credits_text(record.charged_micros),
                    remaining=credits_text(left.available_micros),
                )
            time.sleep(0.1)
        return replace(line, outcome="was NOT settled", is_right=False)

    def _revoked_key(self, organization: Organization) -> str:
        project = projects.default_of(organization)
        key, secret = keys.issue(project, "revoked at once", actor=ACTOR)
        keys.revoke(ApiKey.objects.get(pk=key.pk), actor=ACTOR)
        return secret

    def _show(self, lines: list[Any], organization: Organization) -> None:
        layout = "  {:<20} {:<28} {:>8} {:>8} {:>9}"
        self._say("")
        self._say(layout.format("call", "answer", "held", "charged", "balance"))
        for line in lines:
            amounts = (line.held, line.charged, line.remaining)
            self._say(layout.format(line.call, line.outcome, *amounts))
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
        page = proof.journal(upstream, settings.UPSTREAM_API_KEY, since=before)
        compared = proof.compare(organization.account_id, page["entries"])
        verdict = "equal" if compared.equal else f"DIFFERENT: {compared.differing}"
        self._say(
            f"  Over {compared.calls} calls we charged {compared.our_credits} credits, "
            f"the upstream's journal says {compared.journal_credits}: {verdict}."
        )
        return report.ok and compared.equal and compared.calls > 0

    def _wait(self) -> None:
        while True:
            signal.pause()

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
