"""Credits that are bought: orders, payment providers, and what they say."""
