"""Pages of one's own account: signing in and up, password, second factors, sessions."""
