"""How people come in: passwords, second factors, sessions, identity providers."""
