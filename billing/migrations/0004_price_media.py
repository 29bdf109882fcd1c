"""Prices of images, sound and film, and first rates for them.

Upper bounds that fit the sandbox's published prices, as 0003's are.
"""

from __future__ import annotations

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

CREDIT = 1_000_000
PPM = 1_000_000
SIZES = {"512x512": PPM // 2, "1792x1024": 2 * PPM, "1024x1792": 2 * PPM}
UPSCALES = {"2x": 2 * PPM, "4x": 4 * PPM}
FILMS = {"1080p": 2 * PPM, "4k": 4 * PPM, "60fps": PPM * 3 // 2}
# operation, model's glob, rates
RATES = (
    ("images.generations", "*", {"image": 25 * CREDIT, "factors": SIZES | UPSCALES}),
    (
        "images.generations",
        "fal-ai/flux/dev",
        {"image": 10 * CREDIT, "factors": SIZES | UPSCALES},
    ),
    ("images.edits", "*", {"image": 12 * CREDIT, "factors": SIZES}),
    ("videos.generations", "*", {"second": 20 * CREDIT, "factors": FILMS}),
    ("music.generations", "*", {"second": 2 * CREDIT}),
    ("audio.speech", "*", {"character": 15_000}),
    ("audio.transcriptions", "*", {"second": 100_000}),
)


def seed(apps: StateApps, _editor: BaseDatabaseSchemaEditor) -> None:
    tariff = apps.get_model("billing", "Tariff")
    for operation, model, rates in RATES:
        tariff.objects.create(
            operation=operation,
            model=model,
            image_micros=rates.get("image", 0),
            second_micros=rates.get("second", 0),
            character_micros=rates.get("character", 0),
            factors=rates.get("factors", {}),
        )


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0003_open_system_accounts"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="tariff",
            name="tariff_rates_not_negative",
        ),
        migrations.AddField(
            model_name="tariff",
            name="character_micros",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="tariff",
            name="factors",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="tariff",
            name="second_micros",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddConstraint(
            model_name="tariff",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("base_micros__gte", 0),
                    ("character_micros__gte", 0),
                    ("completion_token_micros__gte", 0),
                    ("completion_tokens_max__gt", 0),
                    ("image_micros__gte", 0),
                    ("prompt_token_micros__gte", 0),
                    ("quantum_micros__gt", 0),
                    ("second_micros__gte", 0),
                    ("web_search_micros__gte", 0),
                ),
                name="tariff_rates_not_negative",
            ),
        ),
        migrations.RunPython(seed, migrations.RunPython.noop),
    ]
