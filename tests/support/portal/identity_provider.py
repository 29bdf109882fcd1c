"""A small identity provider on loopback: it remembers its codes, checks PKCE and the
client's secret, and signs with a key of its own. What it says can be bent."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

CLIENT_ID, CLIENT_SECRET = "tollgate", "its-secret"


class Provider:
    """One issuer, with one person at a time."""

    def __init__(self) -> None:
        self.url = ""
        self.person: dict[str, Any] = {}
        self.bent: dict[str, Any] = {}  # claims of the ID token that are wrong
        self.configuration: dict[str, Any] = {}  # and of the discovery document
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.signs_with: Any = self.key
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        self.refused: list[str] = []

    def authorize(self, location: str) -> str:
        """What the browser is sent back to, after the person has agreed."""
        asked = {k: v[0] for k, v in parse_qs(urlsplit(location).query).items()}
        assert location.startswith(f"{self.url}/authorize?")
        assert asked["client_id"] == CLIENT_ID
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        query = urlencode({"code": code, "state": asked["state"]})
        return f"{asked['redirect_uri']}?{query}"

    def answer(self, path: str, form: dict[str, str], bearer: str) -> Any:
        match path:
            case "/.well-known/openid-configuration":
                return self._configuration() | self.configuration
            case "/jwks":
                public = jwt.algorithms.ECAlgorithm.to_jwk(
                    self.key.public_key(), as_dict=True
                )
                return {"keys": [public | {"kid": "k1", "use": "sig", "alg": "ES256"}]}
            case "/token":
                return self._token(form)
            case "/userinfo":
                return self.tokens.get(bearer)
        return None

    def _configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwks",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def _token(self, form: dict[str, str]) -> Any:
        """Each code once, and only to whom it was given."""
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or form.get("client_secret") != CLIENT_SECRET
            or form.get("redirect_uri") != asked["redirect_uri"]
        ):
            self.refused.append(json.dumps(form))
            return None
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": self.person["sub"],
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
        } | self.bent
        token = secrets.token_urlsafe(16)
        self.tokens[token] = self.person
        signed = jwt.encode(
            claims, self.signs_with, algorithm="ES256", headers={"kid": "k1"}
        )
        return {"access_token": token, "token_type": "Bearer", "id_token": signed}


@contextmanager
def running() -> Iterator[Provider]:
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length", 0))
            form = parse_qs(self.rfile.read(length).decode())
            bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
            found = provider.answer(
                urlsplit(self.path).path, {k: v[0] for k, v in form.items()}, bearer
            )
            body = json.dumps(found or {"error": "invalid_grant"}).encode()
            self.send_response(200 if found else 400)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
