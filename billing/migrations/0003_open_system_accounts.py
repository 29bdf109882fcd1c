"""The operator's own accounts, and a first tariff.

The rates are upper bounds that fit the sandbox's published prices, whose parts are
each rounded up to a whole credit (hence a base of one credit for chat). An operator
with a real upstream replaces them.
"""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

SYSTEM_KINDS = ("issuance", "expiry", "absorbed", "adjustment")
CREDIT = 1_000_000

# glob, micros per prompt token, micros per completion token
CHAT_RATES = (
    ("*", 10_000, 30_000),
    ("openai/gpt-4o-mini", 1_000, 2_000),
    ("openai/gpt-4o", 5_000, 10_000),
)


def seed(apps: StateApps, _editor: BaseDatabaseSchemaEditor) -> None:
    account = apps.get_model("billing", "Account")
    for kind in SYSTEM_KINDS:
        account.objects.create(kind=kind, label=kind)
    tariff = apps.get_model("billing", "Tariff")
    for model, prompt, completion in CHAT_RATES:
        tariff.objects.create(
            operation="chat.completions",
            model=model,
            base_micros=CREDIT,
            prompt_token_micros=prompt,
            completion_token_micros=completion,
            image_micros=2 * CREDIT,
            web_search_micros=5 * CREDIT,
        )
    # One credit per 1,000 tokens, rounded up: the upstream names no credits here.
    tariff.objects.create(operation="embeddings", model="*", prompt_token_micros=1_000)


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_guard_journal")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
