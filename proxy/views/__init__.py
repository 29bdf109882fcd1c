"""One file a route: read the request, ask one thing, answer."""
