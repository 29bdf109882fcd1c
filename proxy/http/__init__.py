"""Requests, replies and refusals, before any of them means a call."""
