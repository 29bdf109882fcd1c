"""The upstream: its client, its contract, its files."""
