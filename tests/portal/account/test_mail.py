"""Mail goes out beside the page, and tells nobody when it does not. Costs nothing."""

from __future__ import annotations

import logging
from threading import Event
from typing import Any, ClassVar

import pytest
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from portal.signing_in import mail
from tests.support.waiting import PATIENCE_SECONDS


class Slow(BaseEmailBackend):
    """A mail server that thinks first, and then refuses one of them."""

    may_go_on: ClassVar[Event] = Event()
    is_through: ClassVar[Event] = Event()
    sent: ClassVar[list[str]] = []

    def send_messages(self, email_messages: Any) -> int:
        [message] = email_messages
        self.may_go_on.wait(PATIENCE_SECONDS)
        if message.subject == "refused":
            raise OSError("550 the code is ABCD-EFGH")
        self.sent.append(message.subject)
        self.is_through.set()
        return 1


def test_a_slow_server_holds_no_page_and_a_refusal_tells_no_code(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MAIL_BACKEND = f"{__name__}.Slow"
    messages = [EmailMessage(subject, "x", to=["a@b"]) for subject in ("refused", "ok")]
    assert mail.Backend().send_messages(messages) == 2  # and did not wait
    assert Slow.sent == []
    with caplog.at_level(logging.ERROR):
        Slow.may_go_on.set()
        assert Slow.is_through.wait(PATIENCE_SECONDS)
        mail._pool.submit(int).result(PATIENCE_SECONDS)
    assert Slow.sent == ["ok"]
    assert "ABCD" not in caplog.text
