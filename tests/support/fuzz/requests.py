"""One request as it goes over the wire: a route that there is, and what is wrong."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from tests.support.gateway import bodies

DIGITS = "9" * 5000
# What stands where a number, a name or a moment is meant.
VALUES = (
    *("", " ", "0", "-1", "1e9", "²", "٣", "1" * 20, DIGITS, "1.5", "NaN", "inf"),
    *("\0", "a\0b", "\ud800", "\udfff\ud800", "ﬁ", "İ", "a\u202eb", "\U0001f600"),
    *("../../etc/passwd", "{{7*7}}", "%s%n", "' OR 1=1 --", "<script>", "=1+1"),
    *("2026-02-30", "9999-12-31T23:59:59Z", "0001-01-01", "Mars/Olympus", "x" * 3000),
    *("true", "null", "[]", "{}", "a,b,,c", "all", "month", "\r\nX-Own: 1"),
)
METHODS = (*("GET",) * 4, *("POST",) * 5, "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")
STRANGE_METHODS = ("TRACE", "get", "PROPFIND", "M" * 300)
BITS = ("%00", "%ff", "%c0%af", "..%2f", "//", ";a=b", "%0d%0aX:%201", "%F0%9F%98%80")
HEADERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Accept", ("*/*", "text/event-stream", "a/b;q=²", "audio/*", "," * 500)),
    ("Accept-Encoding", ("gzip, br", "gzip;q=²", "identity;q=0", "*")),
    ("Accept-Language", ("de-DE;q=9e999", "²", "x" * 3000)),
    (
        "Authorization",
        ("Basic eA==", "Bearer", "Bearer tg_live_²", "Bearer " + "a" * 9000),
    ),
    ("Content-Encoding", ("gzip", "identity", "deflate, gzip")),
    (
        "Content-Type",
        ("text/plain", "application/json; charset=²", "multipart/form-data"),
    ),
    (
        "Cookie",
        ("sessionid=²", "a" * 7000, "=;=;==", 'x="\\377', "csrftoken=" + DIGITS),
    ),
    ("Expect", ("100-continue", "nothing")),
    ("Forwarded", ("for=_x;by=²", 'for="[::1]"')),
    ("HX-Request", ("true", "²")),
    ("Idempotency-Key", ("a", "²", "k" * 300, "a b", "")),
    ("If-Modified-Since", ("yesterday", "Thu, 99 Xxx 0000", DIGITS)),
    ("If-None-Match", ('"a"', "*", "W/", "," * 900)),
    ("Origin", ("null", "http://[", "https://evil.example", "file://")),
    ("OpenAI-Organization", ("²", "x" * 2000)),
    ("Range", ("bytes=0-0,1-1,-1", "bytes=" + DIGITS + "-", "²")),
    ("Referer", ("http://[", "x", "http://a/" + "b" * 2000)),
    ("Traceparent", ("00-²-x-01", "0" * 500)),
    ("Upgrade", ("websocket", "h2c")),
    ("User-Agent", ("", "²", "OpenAI/Python ²", "a/" * 1500)),
    ("X-Forwarded-For", ("²", "1.2.3.4, ,::1", "a" * 2000, "127.0.0.1:80", ",,,")),
    ("X-Forwarded-Host", ("evil.example", "²")),
    ("X-Request-Id", ("²", "x" * 2000)),
    ("X-Session-Id", ("²", "s" * 500)),
    ("X-Stainless-Retry-Count", ("²", DIGITS, "-1", "1.5", "7")),
    ("X-Stainless-Timeout", ("²", DIGITS, "NaN")),
)
HOSTS = ("evil.example", "[::1", "a b", "localhost:99999", "²", "x" * 2000, "")


@dataclass(frozen=True)
class Caller:
    """Who sends it: a key for `/v1`, and a browser's cookies for pages."""

    secret: str
    cookies: str
    token: str


@dataclass(frozen=True)
class Target:
    """A path that there is, and the names that its queries and forms have."""

    path: str
    names: tuple[str, ...]
    schema: str = ""  # of the bodies of an operation

    @property
    def is_page(self) -> bool:
        return not self.path.startswith("/v1")


def drawn(target: Target, caller: Caller, chance: random.Random) -> bytes:
    """All of a request, after which the connection is to be closed."""
    method = chance.choice(METHODS if chance.random() < 0.97 else STRANGE_METHODS)
    if target.schema and chance.random() < 0.8:
        method = "POST"
    kind, body = _body(target, chance) if method not in ("GET", "HEAD") else ("", b"")
    headers = {"Host": "localhost", "Connection": "close"}
    if target.is_page:
        headers |= {"Cookie": caller.cookies, "X-CSRFToken": caller.token}
    else:
        headers["Authorization"] = f"Bearer {caller.secret}"
    if kind:
        headers["Content-Type"] = kind
    if chance.random() < 0.04:
        headers["Host"] = chance.choice(HOSTS)
    for _ in range(chance.choice((0, 0, 1, 2, 3))):
        name, values = chance.choice(HEADERS)
        headers[name] = chance.choice(values)
    if chance.random() < 0.02:
        headers |= {f"X-{number}": "y" * 20 for number in range(90)}
    content = _framed(headers, body, chance)
    version = "HTTP/1.0" if chance.random() < 0.02 else "HTTP/1.1"
    lines = [f"{method} {_target(target, chance)} {version}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).replace("\r\nX-Own", "X-Own")
    return head.encode("utf-8", "surrogatepass") + content


def _framed(headers: dict[str, str], body: bytes, chance: random.Random) -> bytes:
    """The body, by its length or in chunks; sometimes not all of it."""
    if not body:
        return b""
    if chance.random() < 0.1:
        headers["Transfer-Encoding"] = "chunked"
        size = chance.choice((1, 7, 1000, 70_000))
        pieces = [body[at : at + size] for at in range(0, min(len(body), 9000), size)]
        framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        return framed + (b"0\r\n\r\n" if chance.random() < 0.8 else b"zz\r\n")
    length = str(len(body))
    if chance.random() < 0.03:
        length = chance.choice((str(len(body) + 9), "0", "²", "-1", DIGITS, "1, 1"))
    headers["Content-Length"] = length
    return body


def _target(target: Target, chance: random.Random) -> str:
    path = target.path
    if chance.random() < 0.12:
        at = chance.randrange(1, len(path) + 1)
        path = path[:at] + chance.choice(BITS) + path[at:]
    elif chance.random() < 0.02:
        path += "/" + "x" * chance.choice((300, 6000))
    elif chance.random() < 0.02:
        path = "http://evil.example" + path
    if chance.random() < 0.4:
        return path
    return f"{path}?{_query(target.names, chance)}"


def _query(names: tuple[str, ...], chance: random.Random) -> str:
    if chance.random() < 0.03:
        return "&".join(f"f{number}=" for number in range(1001))
    if chance.random() < 0.05:
        return chance.choice(("&&==&", "=", "%", "%zz=%", "a[]=1&a[b]=2", "x" * 6000))
    pairs = [_pair(names, chance) for _ in range(chance.choice((1, 1, 2, 3, 5)))]
    if chance.random() < 0.2:
        pairs += [(pairs[0][0], chance.choice(VALUES))]
    return urlencode(pairs, errors="surrogatepass")


def _pair(names: tuple[str, ...], chance: random.Random) -> tuple[str, str]:
    return chance.choice(names or ("a",)), chance.choice(VALUES)


# --- bodies --------------------------------------------------------------------------


def _body(target: Target, chance: random.Random) -> tuple[str, bytes]:
    if target.schema and chance.random() < 0.6:
        body = bodies.drawn(target.schema, chance)
        route = target.path.removeprefix("/v1/")
        body = bodies.RESHAPED.get(route, bodies.unchanged)(body, chance)
        is_right = chance.random() < 0.5
        content = json.dumps(body).encode() if is_right else bodies.spoilt(body, chance)
        return "application/json", content
    kinds: list[Callable[[Target, random.Random], tuple[str, bytes]]]
    kinds = [_form, _form, _parts] if target.is_page else [_json, _json, _parts, _form]
    return chance.choice(kinds)(target, chance)


def _json(target: Target, chance: random.Random) -> tuple[str, bytes]:
    deep = chance.choice((b"[", b'{"a":')) * chance.choice((200, 20_000))
    name = json.dumps(chance.choice(target.names or ("a",))).encode()
    is_text = chance.random() < 0.6
    value = json.dumps(chance.choice(VALUES) if is_text else bodies.junk(chance))
    made = chance.choice(
        (
            deep,
            b"{%s:%s}" % (name, value.encode()),
            b"{%s:%s}" % (name, value.encode()),
            b"{%s:%s,%s:1}" % (name, value.encode(), name),
            b"{%s:%s}" % (name, DIGITS.encode()),
            b"{%s:-1e999999}" % name,
            b"{%s:NaN}" % name,
            b'{%s:"\\ud800"}' % name,
            b'{%s:"\xed\xa0\x80"}' % name,
            b"\xef\xbb\xbf{}",
            b"[" + b"{}," * 3000 + b"{}]",
            b"nul",
            b'"text"',
        )
    )
    return "application/json", made


def _form(target: Target, chance: random.Random) -> tuple[str, bytes]:
    pairs = [_pair(target.names, chance) for _ in range(chance.choice((0, 1, 4, 12)))]
    if chance.random() < 0.03:
        pairs = [(f"f{number}", "") for number in range(1001)]
    made = urlencode(pairs, errors="surrogatepass").encode()
    return "application/x-www-form-urlencoded", made


def _parts(target: Target, chance: random.Random) -> tuple[str, bytes]:
    boundary = chance.choice(("x", "x", "b" * 69, "²", ""))
    lines: list[bytes] = []
    for _ in range(chance.choice((0, 1, 2, 5))):
        name, value = _pair(target.names, chance)
        named = name.encode("utf-8", "surrogatepass")
        file = chance.choice(
            (b"", b'; filename="a.png"', b"; filename*=UTF-8''%ff", b";")
        )
        lines += [
            b"--" + boundary.encode(),
            b'Content-Disposition: form-data; name="' + named + b'"' + file,
            chance.choice((b"", b"Content-Type: image/png\r\n", b"X: " + b"y" * 9000)),
            value.encode("utf-8", "surrogatepass"),
        ]
    lines.append(b"--" + boundary.encode() + chance.choice((b"--", b"", b"\r\n")))
    return f"multipart/form-data; boundary={boundary}", b"\r\n".join(lines)
