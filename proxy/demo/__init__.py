"""The demonstration: real calls by the official SDK, and a ledger that proves them."""
