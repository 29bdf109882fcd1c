"""Sizes that keep files readable, and words that have a better replacement."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import sources

FILE_LINES_MAX = 400
TEST_FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 60
SIZED = {".py", ".html", ".js", ".css"}
# Names that say nothing, so that everything ends up there.
VAGUE_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "services"}
# Written so that this file does not contain what it looks for.
UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b")
REGISTRY = re.compile(
    r"pypi[.]org|pythonhosted[.]org|npmjs[.]org|yarnpkg[.]com|proxy[.]golang[.]org"
    r"|crates[.]io|rubygems[.]org|index[-]url|PIP[_]INDEX|find[-]links"
)
MACHINE_PATH = re.compile(r"(?<![\w.~:/-])/(?:home|root|work|Users|mnt)/\w")
REASONED = re.compile(r"# noqa: BLE001 +\S+ \S+")


def lines_max(path: Path) -> int:
    return TEST_FILE_LINES_MAX if path.name.startswith("test_") else FILE_LINES_MAX


def too_long(path: Path, text: str) -> Iterator[str]:
    count = len(text.splitlines())
    if "migrations" not in path.parts and count > lines_max(path):
        yield f"{count} lines, {lines_max(path)} are enough: split it by behaviour"


def long_functions(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            count = (node.end_lineno or node.lineno) - node.lineno + 1
            if count > FUNCTION_LINES_MAX:
                yield f"line {node.lineno}: {node.name} has {count} lines"


def banned_code(text: str, *, is_billing: bool) -> Iterator[str]:
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Name(id="print")):
                yield f"line {node.lineno}: print( → logging, or a command's stdout"
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="random"), attr=attr)
            ) if attr.islower() or (attr == "Random" and not node.args):
                yield (
                    f"line {node.lineno}: random.{attr}( → random.Random(seed), with "
                    "a seed that a failure names"
                )
            case ast.Call(func=ast.Name(id="float")) if is_billing:
                yield f"line {node.lineno}: float( → integers in microcredits"
            case ast.ClassDef() if is_frozen_error(node):
                # A context manager that it passes sets its `__traceback__`.
                yield f"line {node.lineno}: an exception is no frozen dataclass"
            case ast.ExceptHandler() if catches_all(node):
                if not REASONED.search(lines[node.lineno - 1]):
                    yield (
                        f"line {node.lineno}: except Exception → a named exception, "
                        "or `# noqa: BLE001  the reason`"
                    )


def is_frozen_error(node: ast.ClassDef) -> bool:
    bases = [ast.unparse(base) for base in node.bases]
    return any(base.endswith(("Exception", "Error")) for base in bases) and any(
        "frozen=True" in ast.unparse(each) for each in node.decorator_list
    )


def catches_all(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        isinstance(name, ast.Name) and name.id in {"Exception", "BaseException"}
        for name in names
    )


def banned_text(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        if found := UNFINISHED.search(line):
            yield f"line {number}: {found[0]} → do it, or open an issue"
        if found := REGISTRY.search(line):
            yield f"line {number}: {found[0]} is where packages come from here"
        if found := MACHINE_PATH.search(line):
            yield f"line {number}: {found[0]}… exists on one machine only"


def all_findings() -> Iterator[str]:
    for path in sources.all_files():
        name = sources.name_of(path)
        text = sources.text_of(path)
        if text is None:
            continue
        found = list(banned_text(text))
        if path.suffix in SIZED:
            found += too_long(path, text)
        if path.suffix == ".py":
            found += long_functions(text)
            found += banned_code(text, is_billing=name.startswith("billing/"))
        if path.stem in VAGUE_NAMES and path.suffix == ".py":
            found.append("name it after what it is about")
        yield from (f"{name}: {finding}" for finding in found)


def test_everything_is_tidy() -> None:
    findings = list(all_findings())
    assert not findings, "\n".join(findings)


def test_every_python_file_says_what_it_is_for() -> None:
    missing = [
        sources.name_of(path)
        for path in sources.python_files()
        if "migrations" not in path.parts
        and (sources.text_of(path) or "").strip()
        and ast.get_docstring(sources.tree_of(path)) is None
    ]
    assert missing == []


@pytest.mark.parametrize(
    "planted",
    [
        "print('hello')",
        "share = float('1')",
        "@dataclass(frozen=True)\nclass Refused(Exception):\n    word: str",
        "pause = random.uniform(0, 1)",
        "chance = random.Random()",
        "try:\n    go()\nexcept Exception:\n    pass",
        "try:\n    go()\nexcept (ValueError, BaseException):\n    pass",
        "try:\n    go()\nexcept:\n    pass",
        "try:\n    go()\nexcept Exception:  # noqa: BLE001\n    pass",
    ],
)
def test_banned_code_is_found(planted: str) -> None:
    assert len(list(banned_code(planted, is_billing=True))) == 1


def test_a_reason_permits_catching_everything() -> None:
    code = "try:\n    go()\nexcept Exception:  # noqa: BLE001  a plugin's\n    pass"
    assert list(banned_code(code, is_billing=True)) == []
    assert list(banned_code("float('1')", is_billing=False)) == []


def test_chance_is_permitted_with_a_seed() -> None:
    code = "chance = random.Random(random.SystemRandom().randrange(2**32))"
    assert list(banned_code(code, is_billing=False)) == []


@pytest.mark.parametrize(
    "planted",
    [
        "# FIX" + "ME later",
        "<!-- TO" + "DO -->",
        "pip install --index" + "-url=x",
        "see https://py" + "pi.org/project/x",
        "path = '/ho" + "me/somebody/x'",
        "cd /wo" + "rk/main",
    ],
)
def test_banned_text_is_found(planted: str) -> None:
    assert len(list(banned_text(planted))) == 1


@pytest.mark.parametrize(
    "harmless",
    [
        "GET /o/" + "/".join(["acme", "work", "items"]),
        "/".join(["a.b", "root", "c"]),
        "/home",
    ],
)
def test_harmless_text_is_no_finding(harmless: str) -> None:
    assert list(banned_text(harmless)) == []


def test_sizes_are_found() -> None:
    body = "    pass\n" * FUNCTION_LINES_MAX
    assert list(long_functions(f"def f():\n{body}"))
    assert list(too_long(Path("portal/x.py"), "x\n" * (FILE_LINES_MAX + 1)))
    assert list(too_long(Path("tests/test_x.py"), "x\n" * (TEST_FILE_LINES_MAX + 1)))
    assert not list(too_long(Path("a/migrations/0001_initial.py"), "x\n" * 1000))
