"""The timetable as rows, instead of a file that one process keeps."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0004_organization_remembers_bootstrap"),
    ]

    operations = [
        migrations.CreateModel(
            name="ScheduledTask",
            fields=[
                (
                    "task",
                    models.CharField(max_length=100, primary_key=True, serialize=False),
                ),
                ("due_at", models.DateTimeField()),
                ("taken_by", models.UUIDField(null=True)),
                ("beats", models.BigIntegerField(default=0)),
                ("failures", models.PositiveIntegerField(default=0)),
            ],
            options={"db_table": "portal_scheduledtask"},
        ),
    ]
