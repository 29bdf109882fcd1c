"""What the suite starts by itself: databases, Redis, gateways; and finds: Chromium."""
