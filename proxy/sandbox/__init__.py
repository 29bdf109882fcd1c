"""The sandbox: an honest, deterministic stand-in for the upstream AI API.

It keeps `proxy/upstream/openapi.json`, and its journal says what it charged.
"""
