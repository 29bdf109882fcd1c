"""How the processes run: environment, broker, server, checks, health."""
