"""Imports point down: from layer to layer, and inside a layer from room to room.

A room is a folder of a layer; the files beside the rooms are the layer's `root`.
Strings may point up, from portal only.
"""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import sources

MAY_IMPORT = {
    "billing": {"billing"},
    "portal": {"portal", "billing"},
    "proxy": {"proxy", "portal", "billing"},
}
# Bottom first: a room imports from the rooms before it, and from no other. Whoever
# needs the other direction has found code that is in the wrong room.
ROOMS = {
    "billing": (
        *("values", "models", "pricing", "ledger", "reports", "verification"),
        *("root", "payments", "management"),
    ),
    "portal": (
        *(
            "models",
            "outbound",
            "tenants",
            "operator",
            "signing_in",
            "notices",
            "documents",
            "payments",
            "runtime",
            "pages",
        ),
        "templatetags",
        *("root", "management"),
    ),
    "proxy": (
        *("models", "http", "process", "limits", "upstream", "idempotency"),
        *("calls", "forwarding", "jobs", "operations", "views", "sandbox"),
        *("payments_sandbox", "pages"),
        *("root", "demo", "management"),
    ),
}
# A plain call never enters the rooms of jobs, and its answer comes back the way it
# went: these know the ones before them only.
WITHOUT_JOBS = (
    *("http", "process", "limits", "upstream", "idempotency", "calls", "forwarding"),
)
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


def imported_modules(tree: ast.Module, known: set[str]) -> Iterator[tuple[int, str]]:
    """The modules of ours that a module imports, wherever in the file, by line."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    if alias.name in known:
                        yield node.lineno, alias.name
            case ast.ImportFrom(level=0, module=str(module), names=names):
                for alias in names:
                    inside = f"{module}.{alias.name}"
                    found = inside if inside in known else module
                    if found in known:
                        yield node.lineno, found


def room_of(module: str) -> tuple[str, str]:
    """Layer and room: `proxy.calls.call` is in proxy's calls, `proxy.urls` in its
    root."""
    layer, *rest = module.split(".")
    is_in_room = bool(rest) and (rest[0] in ROOMS[layer])
    return layer, rest[0] if is_in_room else "root"


def modules() -> dict[str, Path]:
    """Every module of ours but the migrations, by its dotted name."""
    found = {}
    for path in sources.python_files(*sources.LAYERS):
        parts = path.relative_to(sources.ROOT).with_suffix("").parts
        if "migrations" not in parts:
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


def climbing_imports(
    name: str, tree: ast.Module, known: set[str]
) -> Iterator[tuple[int, str]]:
    """What a module imports from a room above its own."""
    layer, room = room_of(name)
    order = ROOMS[layer]
    for line, imported in imported_modules(tree, known):
        its_layer, its_room = room_of(imported)
        if its_layer == layer and order.index(its_room) > order.index(room):
            yield line, imported


def rooms_of_pages_that_meet(name: str, tree: ast.Module, known: set[str]) -> list[str]:
    """Rooms of pages share `parts`, and nothing else."""
    own = name.split(".")[2:3]
    return [
        imported
        for _, imported in imported_modules(tree, known)
        if imported.startswith("portal.pages.")
        and imported.split(".")[2:3] not in (own, ["parts"])
    ]


def cycles(imports: dict[str, set[str]]) -> list[str]:
    """The first ring of modules that import each other, if there is any."""
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_every_folder_of_a_layer_is_a_room() -> None:
    found = {
        (
            path.relative_to(sources.ROOT).parts[0],
            path.relative_to(sources.ROOT).parts[1],
        )
        for path in modules().values()
        if len(path.relative_to(sources.ROOT).parts) > 2
    }
    listed = {(layer, room) for layer, rooms in ROOMS.items() for room in rooms}
    assert found == {each for each in listed if each[1] != "root"}


def test_rooms_import_in_one_direction() -> None:
    known = modules()
    findings = [
        f"{sources.name_of(path)}: line {line}: {imported} is in a room above"
        for name, path in known.items()
        for line, imported in climbing_imports(name, sources.tree_of(path), set(known))
    ]
    assert not findings, "\n".join(findings)


def test_rooms_of_pages_share_parts_only() -> None:
    known = modules()
    findings = [
        f"{name} imports {imported}"
        for name, path in known.items()
        if name.startswith("portal.pages.")
        for imported in rooms_of_pages_that_meet(
            name, sources.tree_of(path), set(known)
        )
    ]
    assert not findings, "\n".join(findings)
    tree = ast.parse("from portal.pages.usage import overview")
    known_names = set(known)
    assert rooms_of_pages_that_meet("portal.pages.keys.keys", tree, known_names)
    assert rooms_of_pages_that_meet("portal.pages.parts.frame", tree, known_names)


def test_no_modules_import_each_other_in_a_ring() -> None:
    known = modules()
    imports = {
        name: {
            imported
            for _, imported in imported_modules(sources.tree_of(path), set(known))
            if imported != name
        }
        for name, path in known.items()
    }
    assert cycles(imports) == []


def test_a_plain_call_never_enters_jobs() -> None:
    rooms = ROOMS["proxy"]
    assert all(rooms.index(room) < rooms.index("jobs") for room in WITHOUT_JOBS)


@pytest.mark.parametrize(
    ("module", "planted"),
    [
        ("billing.values.ids", "from billing import holds"),
        ("billing.ledger.book", "from billing.reports import calls"),
        ("portal.tenants.keys", "def late():\n    from portal import urls"),
        ("proxy.calls.call", "from proxy.jobs import rows"),
        ("proxy.http.errors", "from proxy.views.base import AsyncAPIView"),
    ],
)
def test_a_climbing_import_is_found(module: str, planted: str) -> None:
    assert list(climbing_imports(module, ast.parse(planted), set(modules())))


def test_a_ring_is_found() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})
    assert not cycles({"a": {"b", "c"}, "b": {"c"}, "c": set()})


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
