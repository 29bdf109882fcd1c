"""Pages of who is told what: alerts, and webhooks with their deliveries."""
