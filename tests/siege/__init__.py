"""`python -m tests.siege`: strangers and a hostile tenant, beside an honest one."""
