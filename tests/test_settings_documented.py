"""Every environment variable the product reads is explained where people look."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.support import sources

READERS = ("portal/settings.py", "portal/runtime/environment.py")
ROW = re.compile(r"^\|\s*`([A-Z][A-Z0-9_]*)`", re.MULTILINE)
ASSIGNMENT = re.compile(r"^#?\s*([A-Z][A-Z0-9_]*)=", re.MULTILINE)
# The sandbox's command hands its options to a server process of its own.
BETWEEN_PROCESSES = {"proxy/sandbox/options.py"}
# Django's own bootstrap, the same in every project; where a test kills a process.
NOT_A_SETTING = {"DJANGO_SETTINGS_MODULE", "CRASHPOINT"}


def variables_read(tree: ast.Module) -> set[str]:
    """The names in `env.<type>("NAME", …)`."""
    return {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "env"
        for name in first_argument(node)
        if name.isupper()
    }


def first_argument(call: ast.Call) -> Iterator[str]:
    match call.args:
        case [ast.Constant(value=str(name)), *_]:
            yield name


def direct_reads(tree: ast.Module) -> Iterator[str]:
    """Uses of `os.environ` and `os.getenv` that are not Django's bootstrap."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Call(func=ast.Attribute(value=ast.Attribute(attr="environ")))
                | ast.Call(func=ast.Attribute(attr="getenv"))
            ):
                if not NOT_A_SETTING & set(first_argument(node)):
                    yield f"line {node.lineno}"
            case ast.Subscript(value=ast.Attribute(attr="environ")):
                yield f"line {node.lineno}"


def all_variables() -> set[str]:
    trees = [sources.tree_of(sources.ROOT / name) for name in READERS]
    return set().union(*map(variables_read, trees))


def names_in(file: str, pattern: re.Pattern[str]) -> set[str]:
    return set(pattern.findall((sources.ROOT / file).read_text(encoding="utf-8")))


def test_the_readme_explains_every_setting() -> None:
    assert all_variables() - names_in("README.md", ROW) == set()


def test_the_example_file_names_every_setting_and_no_other() -> None:
    assert names_in(".env.example", ASSIGNMENT) == all_variables()


def test_the_environment_is_read_in_one_place() -> None:
    findings = [
        f"{sources.name_of(path)}: {finding}"
        for path in sources.python_files(*sources.LAYERS)
        if sources.name_of(path) not in BETWEEN_PROCESSES
        for finding in direct_reads(sources.tree_of(path))
    ]
    assert not findings, "\n".join(findings)


def test_the_search_finds_variables() -> None:
    code = (
        'A = env.str("ONE", default="x")\nB = {"b": env.db(\n    "TWO")}\nenv.read("x")'
    )
    assert variables_read(ast.parse(code)) == {"ONE", "TWO"}
    assert all_variables() >= {"DATABASE_URL", "UPSTREAM_API_KEY", "PORT"}


def test_the_search_finds_other_readers() -> None:
    code = "os.environ['A']\nos.environ.get('B')\nos.getenv('C')\n"
    bootstrap = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'portal.settings')"
    assert len(list(direct_reads(ast.parse(code)))) == 3
    assert list(direct_reads(ast.parse(bootstrap))) == []


def test_rows_and_assignments_are_found() -> None:
    assert ROW.findall("| `PORT` | 8000 |\n| other |") == ["PORT"]
    assert ASSIGNMENT.findall("PORT=1\n# HOST=x\n#a b\n") == ["PORT", "HOST"]
