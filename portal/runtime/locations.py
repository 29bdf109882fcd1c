"""URLs, hosts and networks that settings name: brought into one form, or refused.

Each function raises ValueError with what to write instead; `variables.py` puts the
setting's name in front of it.
"""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

HOST_CHARACTERS_MAX = 253
LABELS = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9])?")
# Django answers to no other, so no page would open.
PUBLIC_LABELS = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
PATH = re.compile(r"(?:/[A-Za-z0-9._~%!$&'()*+,;=:@-]+)*")
PUBLIC_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
BUCKETS = {"s3", "gs", "az"}
DEFAULT_PORTS = {"http": 80, "https": 443}
# What our own paths begin with: below one of them nobody could tell a path of ours
# from the same path behind a proxy that takes the prefix off.
OWN_SEGMENTS = {"v1", "o", "account", "static", "healthz", "readyz"}


def host(text: str) -> str:
    """A name or an address alone, an IPv6 address without its brackets."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ip_address(bare.partition("%")[0])) if ":" in bare else _name(bare)
    except ValueError:
        raise ValueError(
            f"is {text[:80]!r}: write an address or a name alone, such as 127.0.0.1, "
            "::1 or localhost; a port belongs into PORT"
        ) from None


def served_host(text: str) -> str:
    """One that pages answer to: a name, `.name` for those below it, an address, `*`."""
    if text == "*":
        return text
    dot, bare = ("." if text.startswith(".") else ""), text.removeprefix(".")
    try:
        found = host(bare)
    except ValueError:
        raise ValueError(
            f"holds {text[:80]!r}: write names alone, with commas between them, "
            "without https:// and without a port: ai.example.com,[::1]"
        ) from None
    return f"[{found}]" if ":" in found else dot + found


def host_and_port(text: str) -> str:
    """`name:port`, as it was written."""
    name, _, port = text.rpartition(":")
    try:
        host(name)
        is_port = bool(re.fullmatch(r"[0-9]{1,5}", port)) and 0 < int(port) < 65_536
    except ValueError:
        is_port = False
    if not is_port:
        raise ValueError(f"holds {text[:80]!r}: write host:port, such as 10.0.0.7:9009")
    return text


def network(text: str) -> str:
    """An address or a network."""
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ValueError(
            f"holds {text[:80]!r} ({error}): write addresses and networks, such as "
            "10.0.0.0/8,192.0.2.7"
        ) from None


def http_url(text: str) -> str:
    """Scheme, host, port and path, without a slash at the end."""
    url, port = _split(text, example="https://api.example.com/api/v1")
    if not PATH.fullmatch(path := url.path.rstrip("/")):
        raise ValueError("has a path with something else than names: write /a/b")
    return f"{url.scheme}://{_name_in_url(url)}{port}{path}"


def public_url(text: str) -> str:
    """What people use, in the one form in which their browsers send it back."""
    url, port = _split(text, example="https://ai.example.com")
    path = url.path.rstrip("/")
    name = _name_in_url(url)
    if not name.startswith("[") and not PUBLIC_LABELS.fullmatch(name):
        raise ValueError(f"names {name[:80]!r}: a name has no underscore; use another")
    if not PUBLIC_PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError("has a path with something else than names: write /tollgate")
    if path.split("/")[1:2] and path.split("/")[1] in OWN_SEGMENTS:
        raise ValueError(
            f"has the path {path[:80]}, which begins as our own ones do: leave it out, "
            "or serve us below another one, such as /tollgate"
        )
    return f"{url.scheme}://{name}{port}{path}"


def origin(text: str) -> str:
    """Of a page: scheme, host and port, as browsers send it; or `*`."""
    if text == "*":
        return text
    url, port = _split(text, example="https://app.example.com, or *")
    if url.path not in ("", "/"):
        raise ValueError("has a path: write the origin alone, https://app.example.com")
    return f"{url.scheme}://{_name_in_url(url)}{port}"


def is_in_clear(url: str) -> bool:
    """Whether what goes there can be read on its way: http, to another machine."""
    return url.startswith("http://") and not is_loopback(url)


def bucket(text: str) -> str:
    """Where files are put: one that obstore knows, without a key in it."""
    try:
        url = urlsplit(text)
        is_fit = bool(url.hostname) if url.scheme in BUCKETS else url.scheme == "file"
        is_fit &= "@" not in url.netloc and not url.query and not url.fragment
    except ValueError:
        is_fit = False
    if not is_fit or (url.scheme == "file" and (url.netloc or len(url.path) < 2)):
        raise ValueError(
            "names no bucket: write s3://bucket/folder, gs://…, az://… or "
            "file:///folder; keys belong into the provider's own variables"
        )
    return text


def split_public(url: str) -> tuple[str, str, str]:
    """Origin, path and host of a URL in the form above."""
    found = urlsplit(url)
    name = found.hostname or ""
    bare = f"[{name}]" if ":" in name else name
    return f"{found.scheme}://{found.netloc}", found.path, bare


def in_url(name: str) -> str:
    """How a host that is listened on is written into a URL for this machine."""
    if ":" not in name:
        return "127.0.0.1" if name == "0.0.0.0" else name  # noqa: S104  only compared
    return "[::1]" if name == "::" else f"[{name}]"


def is_loopback(url: str) -> bool:
    """Whether it leads to this machine only."""
    name = urlsplit(url).hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _split(text: str, *, example: str) -> tuple[SplitResult, str]:
    """The URL, and `:port` where it is not the usual one."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(f"is not a URL: write one such as {example}") from None
    if url.scheme not in DEFAULT_PORTS or not url.hostname or port == 0:
        raise ValueError(f"is not an http(s) URL: write one such as {example}")
    if url.netloc.rpartition("@")[1] or "?" in text or "#" in text:
        raise ValueError(
            "carries more than scheme, host, port and path: take out the rest; a key "
            "belongs into a variable of its own"
        )
    is_usual = port is None or port == DEFAULT_PORTS[url.scheme]
    return url, "" if is_usual else f":{port}"


def _name_in_url(url: SplitResult) -> str:
    found = host(url.hostname or "")
    return f"[{found}]" if ":" in found else found


def _name(text: str) -> str:
    """In small letters; beyond ASCII as browsers send it. Raises: ValueError."""
    name = text.lower().removesuffix(".")
    if not name.isascii():
        name = name.encode("idna").decode()
    if not LABELS.fullmatch(name) or len(name) > HOST_CHARACTERS_MAX or ".." in name:
        raise ValueError("no name")
    if name.rpartition(".")[2].isdigit():  # an address then, or nothing
        return str(ip_address(name))
    return name
