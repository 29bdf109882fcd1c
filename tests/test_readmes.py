"""What READMEs and Makefile name exists: files, headings, functions, commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import PurePosixPath

import pytest
from django.core.management import get_commands

from tests.support import sources

LINE_MAX = 120
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
# [text](target), and the target of a name that is used as [text][name] or [name].
LINK = re.compile(r"\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)
NAMED_LINK = re.compile(r"\[([^\[\]]+)\](?:\[([^\[\]]+)\])?(?![(:\w])")
DEFINITION = re.compile(r"^\[([^\]]+)\]: ", re.MULTILINE)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# `rows.py`, `jobs/rows.py`, and `jobs/rows.claim`: a name in that module.
FILE = re.compile(r"(?:[\w.]+/)*\w+\.(?:py|md)")
MEMBER = re.compile(r"((?:\w+/)+\w+)\.(\w+)")
MAKE = re.compile(r"\bmake ([a-z]+)")
MANAGE = re.compile(r"\bmanage\.py ([a-z_]+)")
TARGET = re.compile(r"^([a-z]+):", re.MULTILINE)

# Given the README's folder ("" or "proxy/") and its text; yields what is wrong.
Check = Callable[[str, str], Iterator[str]]


@cache
def our_paths() -> frozenset[str]:
    """Every file of ours and every folder that holds one, from the top level."""
    files = [PurePosixPath(sources.name_of(path)) for path in sources.all_files()]
    folders = {parent for path in files for parent in path.parents}
    return frozenset(map(str, [*files, *folders]))


def without_fences(text: str) -> str:
    """Blocks of code are left out; the lines keep their numbers."""
    return FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)


def long_lines(folder: str, text: str) -> Iterator[str]:
    for number, line in enumerate(without_fences(text).splitlines(), start=1):
        if len(line) > LINE_MAX:
            yield f"line {number} has {len(line)} characters, {LINE_MAX} are enough"


def broken_links(folder: str, text: str) -> Iterator[str]:
    text = without_fences(text)
    for target in map("".join, LINK.findall(text)):
        path, _, anchor = target.partition("#")
        if ":" in path:
            continue
        found = resolved(folder, path) if path else ""
        if found is None:
            yield f"{target} is no file of ours"
        elif anchor and anchor not in anchors(read(found) if path else text):
            yield f"{target}: no such heading"
    defined = {name.casefold() for name in DEFINITION.findall(text)}
    for shown, name in NAMED_LINK.findall(CODE.sub("", text)):
        if (name or shown).casefold() not in defined:
            yield f"[{shown}] leads nowhere"


def resolved(folder: str, path: str) -> str | None:
    """The path from the top level, if it is one of ours."""
    parts: list[str] = []
    for part in PurePosixPath(folder, path).parts:
        if part == ".." and not parts:
            return None
        parts = parts[:-1] if part == ".." else [*parts, part]
    name = "/".join(parts) or "."
    return name if name in our_paths() else None


def read(name: str) -> str:
    return sources.text_of(sources.ROOT / name) or ""


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    titles = HEADING.findall(without_fences(text))
    headings = [re.sub(r"[^\w\- ]", "", title) for title in titles]
    return {title.strip().lower().replace(" ", "-") for title in headings}


def unknown_files(folder: str, text: str) -> Iterator[str]:
    for code in CODE.findall(without_fences(text)):
        if FILE.fullmatch(code):
            if not files_named(folder, code):
                yield f"`{code}` is no file of ours"
        elif member := MEMBER.fullmatch(code):
            module, name = member[1] + ".py", member[2]
            if not any(is_defined(name, path) for path in files_named(folder, module)):
                yield f"`{code}` is nowhere defined"


def files_named(folder: str, path: str) -> list[str]:
    """Files below the README's folder, or at this path from the top level."""
    return [
        name
        for name in our_paths()
        if name == path or (name.startswith(folder) and name.endswith(f"/{path}"))
    ]


def is_defined(name: str, path: str) -> bool:
    pattern = rf"^ *(?:(?:async )?def {name}\(|class {name}\b|{name}(?:: .+)? = )"
    return re.search(pattern, read(path), re.MULTILINE) is not None


def unknown_commands(folder: str, text: str) -> Iterator[str]:
    shown = "\n".join([*FENCE.findall(text), *CODE.findall(without_fences(text))])
    targets = set(TARGET.findall(read("Makefile")))
    for target in set(MAKE.findall(shown)) - targets:
        yield f"`make {target}` is not in the Makefile"
    for command in set(MANAGE.findall(shown)) - get_commands().keys():
        yield f"`manage.py {command}` does not exist"


CHECKS: tuple[Check, ...] = (long_lines, broken_links, unknown_files, unknown_commands)
READMES = [
    sources.name_of(path) for path in sources.all_files() if path.name == "README.md"
]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", READMES)
def test_a_readme_is_true(name: str, check: Check) -> None:
    folder = name.removesuffix("README.md")
    findings = list(check(folder, read(name)))
    assert not findings, "\n".join(findings)


def test_the_makefile_names_tests_that_exist() -> None:
    named = re.findall(r"\btests/[\w/]+\.py\b", read("Makefile"))
    assert named
    assert [name for name in named if name not in our_paths()] == []


@pytest.mark.parametrize(
    ("check", "planted"),
    [
        (long_lines, "short\n" + "x" * (LINE_MAX + 1)),
        (long_lines, "| " + "cell | " * 20),
        (broken_links, "[the gateway](proxies/README.md)"),
        (broken_links, "![a picture](overview.png)"),
        (broken_links, "[up](../../README.md)"),
        (broken_links, "[the gateway](proxy/README.md#no-such-heading)"),
        (broken_links, "# Tollgate\n[below](#below)"),
        (broken_links, "see [the tests][tests]\n\n[test]: tests/conftest.py"),
        (broken_links, "[tests]\n\n[tests]: tests/no_such_file.py"),
        (unknown_files, "see `billing/ledger/no_such_file.py`"),
        (unknown_files, "see `no_such_file.py`"),
        (unknown_files, "see `portal/no_such_page.md`"),
        (unknown_files, "see `billing/holds.no_such_function`"),
        (unknown_files, "see `billing/no_such_module.place`"),
        (unknown_commands, "`make no`"),
        (unknown_commands, "```console\n$ make no\n```"),
        (unknown_commands, "`manage.py no_such_command --json`"),
    ],
)
def test_a_wrong_one_is_found(check: Check, planted: str) -> None:
    assert len(list(check("", planted))) == 1


@pytest.mark.parametrize(
    ("folder", "right"),
    [
        ("", "```text\n" + "x" * 200 + "\n```"),
        (
            "",
            "[settings](portal/README.md#settings), [all](portal), [x](https://x.org)",
        ),
        ("", "## Two words, one\n[here](#two-words-one)"),
        ("", "[a test]\n\n[a test]: tests/conftest.py"),
        ("proxy/", "[the whole](../README.md), [views](views), `a[1]`"),
        ("proxy/", "`views/base.py`, `base.py`, `tests/conftest.py`"),
        ("", "`billing/holds.submit`, `application/json`, `make demo ARGS=--exit`"),
        ("", "`manage.py migrate`, `manage.py verify_ledger`, `manage.py`"),
        ("", "make no mistake; `cmake x`"),
    ],
)
@pytest.mark.parametrize("check", CHECKS)
def test_a_right_one_is_no_finding(check: Check, folder: str, right: str) -> None:
    assert list(check(folder, right)) == []
