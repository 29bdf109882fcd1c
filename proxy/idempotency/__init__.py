"""Requests that clients send again: one charge, and the first answer once more."""
