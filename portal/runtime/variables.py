"""Settings from the environment: each variable is understood, or refused by its name.

What cannot be understood is collected, and stops the start with one line for each: what
is wrong, and what to write. django-environ alone takes `maybe` for false, a list with
spaces for other names, and drops what begins with `$` as a reference to nothing.
"""

from __future__ import annotations

import builtins
import re
import stat
import unicodedata
from collections.abc import Callable, MutableMapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import environ

from portal.runtime import locations
from portal.runtime.bounds import BOUNDS

YES = {"true", "on", "yes", "y", "1"}
NO = {"false", "off", "no", "n", "0"}
# Line breaks, what is not shown, what is no text, and spaces that look like ours.
INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"}
REFERENCE = re.compile(r"\$\{\w*\}?|\$\(.*\)?|\$[A-Z_][A-Z0-9_]*\Z")
# As django-environ reads a file; it skips other lines.
LINE = re.compile(r"(?:export )?([A-Za-z_0-9]+)=.*")
SHOWN = 40
WHOLE_MAX = 2**40
POSTGRES = {"postgres", "postgresql", "psql", "pgsql"}
MAIL = {"smtp", "smtps", "smtp+tls", "smtp+ssl"}
MAIL_NOWHERE = {"consolemail", "filemail", "memorymail", "dummymail"}
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# Only ours begin so; what orchestrators add of a service of that name does not count.
PREFIXES = ("UPSTREAM_", "GATEWAY_", "OIDC_", "BORNE_", "REPLAY_", "TOPUP_", "DRAIN_")
OF_SERVICES = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT.*|PORT|PORT_\d+_.*)")
LIKE = 0.88
LENGTH_TO_LIKEN = 6


class Refused(SystemExit):
    """The settings cannot be understood. Ends the process with one line for each
    reason, and without a trace of where they are read."""

    def __init__(self, wrong: builtins.list[str]) -> None:
        told = "\n".join(f"  {line}." for line in wrong)
        super().__init__(f"Tollgate does not start:\n{told}")
        self.wrong = wrong


class Unknown(NamedTuple):
    """A variable that nothing reads, and the setting that may be meant."""

    name: str
    meant: str
    is_in_file: bool

    def __str__(self) -> str:
        where = " in .env" if self.is_in_file else ""
        told = f"{self.name}{where} is no setting"
        return told + (f", {self.meant} is" if self.meant else "")


class Env(environ.Env):  # type: ignore[misc]
    """django-environ's, but nothing is guessed."""

    def __init__(self, variables: MutableMapping[builtins.str, builtins.str]) -> None:
        super().__init__()
        self.ENVIRON = variables
        self.wrong: builtins.list[builtins.str] = []
        self._read: set[builtins.str] = set()
        self._in_file: set[builtins.str] = set()

    def read_file(self, path: Path) -> None:
        """Take what is not set yet from a file of NAME=value."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            self.wrong.append(
                f"{path.name} cannot be read ({error.__class__.__name__}): make it a "
                "text file in UTF-8 that this user may read, or remove it"
            )
            return
        for number, line in enumerate(lines, 1):
            if found := LINE.fullmatch(line):
                self._in_file.add(found[1])
            elif line.strip() and not line.startswith("#"):
                self.wrong.append(
                    f"{path.name}, line {number} is not NAME=value: write it so, "
                    "without spaces around the sign, or begin it with #"
                )
        # Its reading is a class's, of the class's own variables.
        reader: Any = type("Reader", (environ.Env,), {"ENVIRON": self.ENVIRON})
        reader.read_env(path, overwrite=False)

    def get_value(
        self,
        var: builtins.str,
        cast: Callable[[builtins.str], Any] | None = None,
        default: Any = None,
        parse_default: builtins.bool = False,
    ) -> Any:
        """The one door. What is empty counts as not set; a reference never leads to
        another variable."""
        self._read.add(var)
        text = self.ENVIRON.get(var, "").strip(" \t")
        if not text:
            return cast(default) if parse_default and cast else default
        try:
            plain = _plain(text)
            return cast(plain) if cast else plain
        except ValueError as error:
            self.wrong.append(f"{var} {error}")
            return cast(default) if parse_default and cast else default

    def str(self, var: builtins.str, *, default: Any) -> Any:
        return self.get_value(var, default=default)

    def secret(
        self, var: builtins.str, *, default: Any, least: builtins.int = 8
    ) -> Any:
        """One that goes into a header: visible ASCII, and long enough to be found in
        other text and taken out there."""
        return self.get_value(var, partial(_secret, least), default)

    def int(self, var: builtins.str, *, default: Any) -> Any:
        least, most = BOUNDS.get(var, (0, WHOLE_MAX))
        return self.get_value(var, partial(_whole, least, most), default)

    def bool(self, var: builtins.str, *, default: Any) -> Any:
        return self.get_value(var, _truth, default)

    def choice(self, var: builtins.str, *names: builtins.str, default: Any) -> Any:
        return self.get_value(var, partial(_one_of, names), default)

    def choices(self, var: builtins.str, *names: builtins.str, default: Any) -> Any:
        """Some of these, with commas between them."""
        each = partial(_one_of, names)
        return self.get_value(var, partial(_pieces, each), default)

    def list(
        self,
        var: builtins.str,
        *,
        default: Any,
        each: Callable[[builtins.str], builtins.str] = lambda text: text,
    ) -> Any:
        return self.get_value(var, partial(_pieces, each), default)

    def level(self, var: builtins.str, *, default: Any) -> Any:
        return self.get_value(var, lambda text: _one_of(LEVELS, text.upper()), default)

    def folder(self, var: builtins.str, *, default: Any) -> Path:
        """Absolute, and made if it is not there; nobody else reads what is in it."""
        made: Path = self.get_value(var, _folder, default, parse_default=True)
        return made

    def public_url(self, var: builtins.str, *, default: Any) -> Any:
        return self.get_value(var, locations.public_url, default)

    def http_url(self, var: builtins.str, *, default: Any) -> Any:
        return self.get_value(var, locations.http_url, default)

    def bucket(self, var: builtins.str, *, default: Any) -> Any:
        return self.get_value(var, locations.bucket, default)

    def redis_url(self, var: builtins.str, *, default: Any) -> Any:
        return self.get_value(var, _redis_url, default)

    def host(self, var: builtins.str, *, default: Any) -> Any:
        return self.get_value(var, locations.host, default)

    def db(self, var: builtins.str, *, default: Any) -> Any:
        config = partial(_database, self.db_url_config)
        return self.get_value(var, config, default, parse_default=True)

    def email_url(self, var: builtins.str, *, default: Any) -> Any:
        config = partial(_mail, self.email_url_config)
        return self.get_value(var, config, default, parse_default=True)

    # --- at the end ---------------------------------------------------------------

    def unknown(self) -> builtins.list[Unknown]:
        """Variables that look like ours, and that nothing has read."""
        found = []
        for name in sorted(self.ENVIRON.keys() - self._read):
            is_in_file = name in self._in_file
            meant = self._meant(name)
            is_ours = name.startswith(PREFIXES) and not OF_SERVICES.fullmatch(name)
            if meant or is_ours:
                found.append(Unknown(name, meant, is_in_file))
        return found

    def refuse(self) -> None:
        """Raises: Refused when something could not be understood."""
        misspelled = [str(each) for each in self.unknown() if each.is_in_file]
        cure = ": correct the name, or take the line out"
        if wrong := [*self.wrong, *(line + cure for line in misspelled)]:
            raise Refused(wrong)

    def _meant(self, name: builtins.str) -> builtins.str:
        if name.upper() in self._read:
            return name.upper()
        if len(name) < LENGTH_TO_LIKEN or OF_SERVICES.fullmatch(name):
            return ""
        return next(iter(get_close_matches(name, self._read, 1, LIKE)), "")


def _plain(text: str) -> str:
    if any(c != " " and unicodedata.category(c) in INVISIBLE for c in text):
        raise ValueError(
            "holds a line break or another character that is not seen: write it anew, "
            "in one line"
        )
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        raise ValueError("is in quotes, which would be a part of it: leave them out")
    if found := REFERENCE.search(text):
        raise ValueError(
            f"holds {found[0][:SHOWN]}, which nobody replaces: write the value itself"
        )
    return text


def _secret(least: int, text: str) -> str:
    if not all("!" <= c <= "~" for c in text):
        raise ValueError(
            "holds a space or a letter that a key has not: copy it again, without "
            "anything around it"
        )
    if len(text) < least:
        raise ValueError(f"is shorter than {least} characters: use the whole key")
    return text


def _whole(least: int, most: int, text: str) -> int:
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text) and least <= int(text) <= most:
        return int(text)
    raise ValueError(
        f"is {text[:SHOWN]!r}: write a whole number from {least} to {most}, in digits "
        "alone"
    )


def _truth(text: str) -> bool:
    if text.lower() not in YES | NO:
        raise ValueError(f"is {text[:SHOWN]!r}: write true or false")
    return text.lower() in YES


def _one_of(names: tuple[str, ...], text: str) -> str:
    if text not in names:
        raise ValueError(f"is {text[:SHOWN]!r}: write one of {', '.join(names)}")
    return text


def _pieces(each: Callable[[str], str], text: str) -> list[str]:
    return [each(piece.strip()) for piece in text.split(",") if piece.strip()]


def _folder(text: str) -> Path:
    path = Path(text).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"cannot be made ({error.strerror}): name a folder that this user may write"
        ) from None
    if path.stat().st_mode & stat.S_ISVTX:
        raise ValueError("is a folder for everybody: name one inside it")
    return path


def _redis_url(text: str) -> str:
    try:
        url = urlsplit(text)
        is_fit = url.scheme in ("redis", "rediss") and bool(url.hostname)
        is_fit &= url.port != 0 and bool(re.fullmatch(r"(/[0-9]{0,4})?", url.path))
    except ValueError:
        is_fit = False
    if not is_fit or "#" in text:
        raise ValueError(
            "is not a Redis URL: write redis://:password@host:6379/0, and what is "
            "special in the password as %23 for #, %2F for /, %3F for ?, %40 for @"
        )
    return text


def _database(parse: Callable[[str], Any], text: str) -> Any:
    scheme, _, rest = text.partition("://")
    if scheme == "sqlite":
        if not rest.startswith("/") or rest.strip("/") in ("", ":memory:"):
            raise ValueError(
                "names no file: write sqlite:///folder/file, or sqlite:////folder/file "
                "from the root"
            )
    elif scheme not in POSTGRES:
        raise ValueError(
            f"names no database that we know ({scheme[:SHOWN]!r}): write "
            "postgres://user:password@host/name or sqlite:///path"
        )
    try:
        config = parse(text)
        is_fit = bool(config["NAME"]) and not urlsplit(text).fragment
    except ValueError:
        is_fit = False
    if not is_fit:
        raise ValueError(
            "cannot be read: write postgres://user:password@host:5432/name, and what "
            "is special in the password as %23 for #, %2F for /, %3F for ?, %40 for @"
        )
    return config


def _mail(parse: Callable[[str], Any], text: str) -> Any:
    try:
        url = urlsplit(text)
        is_smtp = url.scheme in MAIL and bool(url.hostname) and url.port != 0
        if not (is_smtp or url.scheme in MAIL_NOWHERE) or url.fragment:
            raise ValueError
        return parse(text)
    except ValueError:
        raise ValueError(
            "cannot be read: write smtp+tls://user:password@host:587, and what is "
            "special in the password as %23 for #, %2F for /, %3F for ?, %40 for @"
        ) from None
