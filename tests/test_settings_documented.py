"""Every environment variable the product reads is explained in portal/README.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support import sources

READERS = ("portal/settings.py", "portal/runtime/environment.py")
README = "portal/README.md"
ROW = re.compile(r"^\| `([A-Z][A-Z0-9_]*)` \| ([^|]+) \| [^|]+ \|$", re.MULTILINE)
ASSIGNMENT = re.compile(r"^#?\s*([A-Z][A-Z0-9_]*)=", re.MULTILINE)
SIZE = re.compile(r"(\d+) ([KM])iB")
BYTES = {"K": 1024, "M": 1024**2}
# The table describes these defaults in words, because the code has no literal for them.
DESCRIBED = {
    "SHUTDOWN_SECONDS",
    "DATABASE_URL",
    "PUBLIC_URL",
    "REDIS_URL",
    "SECRET_KEY",
    *("TRUSTED_PROXIES", "CORS_ORIGINS", "UPSTREAM_LACKS"),
    "UPSTREAM_API_KEY",
    *("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_GROUPS"),
    "UPSTREAM_BASE_URL",
    "VAR_DIR",
    *("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE"),
    *("WEBHOOK_TRUSTED_HOSTS", "EXPORT_STORAGE_URL"),
    *("EMAIL_PROVIDER", "EMAIL_PROVIDER_KEY", "EMAIL_PROVIDER_URL"),
}
# The sandbox's command hands its options to a server process of its own.
BETWEEN_PROCESSES = {"proxy/sandbox/options.py"}
# Django's own bootstrap, the same in every project; where a test kills a process; what
# `manage.py up` tells its parts.
NOT_A_SETTING = {"DJANGO_SETTINGS_MODULE", "CRASHPOINT", "TOLLGATE_PARENT"}


class SettingNames(dict[str, str]):
    """In a default like `f"http://{HOST}"`, another setting stands for its name."""

    def __missing__(self, name: str) -> str:
        if not name.isupper():
            raise KeyError(name)
        return name


def variables_read(tree: ast.Module) -> dict[str, str]:
    """Name → default, of each `env.<type>("NAME", default=…)`."""
    return {
        name: default_of(node)
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


def default_of(call: ast.Call) -> str:
    """As one would write it into `.env`; empty where the code has no literal."""
    [node] = [word.value for word in call.keywords if word.arg == "default"]
    names = SettingNames()
    try:
        value = eval(ast.unparse(node), {"__builtins__": {}}, names)  # noqa: S307  ours
    except NameError:
        return ""
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def documented(text: str) -> dict[str, str]:
    """Name → default, of each row of the table; sizes in bytes."""
    return {name: written_out(default) for name, default in ROW.findall(text)}


def written_out(default: str) -> str:
    if size := SIZE.fullmatch(default):
        return str(int(size[1]) * BYTES[size[2]])
    return default.removeprefix("`").removesuffix("`")


def wrong_rows(read: dict[str, str], told: dict[str, str]) -> Iterator[str]:
    for name in sorted(read.keys() - told.keys()):
        yield f"{name} has no row"
    for name in sorted(told.keys() - read.keys()):
        yield f"{name} has a row, and nothing reads it"
    for name in sorted(read.keys() & told.keys() - DESCRIBED):
        if read[name] != told[name]:
            yield f"{name} is {read[name]!r} by default, the table says {told[name]!r}"


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


def all_variables() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in READERS:
        found |= variables_read(sources.tree_of(sources.ROOT / name))
    return found


def text_of(file: str) -> str:
    return (sources.ROOT / file).read_text(encoding="utf-8")


def test_the_readme_explains_every_setting_and_its_default() -> None:
    findings = list(wrong_rows(all_variables(), documented(text_of(README))))
    assert not findings, "\n".join(findings)


def test_only_defaults_without_a_literal_are_described_in_words() -> None:
    read = all_variables()
    assert {name for name in read if not read[name]} <= DESCRIBED <= read.keys()


def test_the_example_file_names_every_setting_and_no_other() -> None:
    assert set(ASSIGNMENT.findall(text_of(".env.example"))) == all_variables().keys()


def test_the_environment_is_read_in_one_place() -> None:
    findings = [
        f"{sources.name_of(path)}: {finding}"
        for path in sources.python_files(*sources.LAYERS)
        if sources.name_of(path) not in BETWEEN_PROCESSES
        for finding in direct_reads(sources.tree_of(path))
    ]
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize(
    "planted",
    [
        "",
        "| `PORT` | `8001` | where to listen |",
        "| `PORT` | `8000` |  |",
        "| `PORT` | `8000` | where to listen |\n| `PROT` | `1` | mistyped |",
    ],
)
def test_a_wrong_row_is_found(planted: str) -> None:
    assert len(list(wrong_rows({"PORT": "8000"}, documented(planted)))) == 1


def test_the_search_finds_variables_and_their_defaults() -> None:
    code = (
        'A = env.str("ONE", default="x")\nB = {"b": env.db(\n    "TWO", default=a)}\n'
        'C = env.int("THREE", default=2 * 1024**2)\nenv.bool("FOUR", default=False)\n'
        'env.list("FIVE", default=["a", "b"])\nenv.str("SIX", default=f"{ONE}!")\n'
        'env.read("x")'
    )
    assert variables_read(ast.parse(code)) == {
        "ONE": "x",
        "TWO": "",
        "THREE": "2097152",
        "FOUR": "false",
        "FIVE": "a,b",
        "SIX": "ONE!",
    }
    assert all_variables().keys() >= {"DATABASE_URL", "UPSTREAM_API_KEY", "PORT"}


def test_the_search_finds_other_readers() -> None:
    code = "os.environ['A']\nos.environ.get('B')\nos.getenv('C')\n"
    bootstrap = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'portal.settings')"
    assert len(list(direct_reads(ast.parse(code)))) == 3
    assert list(direct_reads(ast.parse(bootstrap))) == []


def test_rows_and_assignments_are_found() -> None:
    rows = "| `PORT` | `8000` | port |\n| `BYTES_MAX` | 3 KiB | size |\n| x | y | z |"
    assert documented(rows) == {"PORT": "8000", "BYTES_MAX": "3072"}
    assert ASSIGNMENT.findall("PORT=1\n# HOST=x\n#a b\n") == ["PORT", "HOST"]
