"""Pages about API keys and service accounts."""
