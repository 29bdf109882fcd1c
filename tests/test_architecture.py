"""Imports point down: proxy → portal → billing. Strings may point up, from portal."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.support import sources

MAY_IMPORT = {
    "billing": {"billing"},
    "portal": {"portal", "billing"},
    "proxy": {"proxy", "portal", "billing"},
}
# Nothing that is shipped knows its tests.
KNOWN = {*sources.LAYERS, "tests"}


def wrong_imports(layer: str, tree: ast.Module) -> Iterator[str]:
    """What a module of this layer imports and may not, wherever in the file."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                modules = [alias.name for alias in names]
            case ast.ImportFrom(level=0, module=str(module)):
                modules = [module]
            case ast.ImportFrom():
                yield f"line {node.lineno}: a relative import; name the whole path"
                continue
            case _:
                continue
        for module in modules:
            top = module.split(".")[0]
            if top in KNOWN - MAY_IMPORT[layer]:
                yield f"line {node.lineno}: {layer} imports {module}"


def names_of_upper_layers(tree: ast.Module) -> Iterator[str]:
    """Strings like `"portal.User"` or `"proxy.asgi"`: knowledge in disguise."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = node.value.split(".")
            if (
                len(words) > 1
                and words[0] in {"portal", "proxy"}
                and " " not in words[1]
            ):
                yield f"line {node.lineno}: billing names {node.value!r}"


@pytest.mark.parametrize("layer", sources.LAYERS)
def test_imports_point_down(layer: str) -> None:
    files = sources.python_files(layer)
    assert files
    findings = [
        f"{sources.name_of(path)}: {finding}"
        for path in files
        for finding in wrong_imports(layer, sources.tree_of(path))
    ]
    assert not findings, "\n".join(findings)


def test_billing_does_not_even_name_the_layers_above() -> None:
    findings = [
        f"{sources.name_of(path)}: {finding}"
        for path in sources.python_files("billing")
        for finding in names_of_upper_layers(sources.tree_of(path))
    ]
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize(
    ("layer", "planted"),
    [
        ("billing", "import portal"),
        ("billing", "from portal import keys"),
        ("billing", "def late():\n    from portal.models import User"),
        ("billing", "from proxy.http.errors import shape"),
        ("portal", "import proxy.routes as r"),
        ("portal", "if TYPE_CHECKING:\n    from proxy import routes"),
        ("proxy", "from . import routes"),
        ("proxy", "from ..portal import keys"),
        ("proxy", "from tests.support.upstream import Upstream"),
    ],
)
def test_a_wrong_import_is_found(layer: str, planted: str) -> None:
    assert len(list(wrong_imports(layer, ast.parse(planted)))) == 1


@pytest.mark.parametrize(
    ("layer", "planted"),
    [
        ("billing", "import billing.holds, django.db"),
        ("portal", "from billing import holds\nINSTALLED_APPS = ['proxy']"),
        ("proxy", "from portal import keys\nfrom billing import holds"),
    ],
)
def test_a_right_import_is_no_finding(layer: str, planted: str) -> None:
    assert list(wrong_imports(layer, ast.parse(planted))) == []


def test_a_name_in_a_string_is_found() -> None:
    assert list(names_of_upper_layers(ast.parse("to = 'portal.Organization'")))
    assert not list(names_of_upper_layers(ast.parse("'the portal. It knows'")))
