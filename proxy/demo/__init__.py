"""The demonstration: real calls by the official SDK, and books that prove them."""
