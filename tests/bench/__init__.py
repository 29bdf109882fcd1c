"""The benchmark behind `make bench`: a bare forwarder and Tollgate, side by side."""

from __future__ import annotations
