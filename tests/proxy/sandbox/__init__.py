"""Tests of the sandbox upstream, against a real server process."""

from __future__ import annotations
