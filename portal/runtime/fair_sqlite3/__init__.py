"""Django's SQLite, whose writers wait for each other fairly (`base.py`)."""
