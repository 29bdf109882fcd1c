"""Pages about what was used: overview, usage, activity, one request."""
