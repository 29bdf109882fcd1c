"""The doors of payments: the call that buys credits, and providers' webhooks."""
