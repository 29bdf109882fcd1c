"""The project's own files, for the tests that read them."""

from __future__ import annotations

import ast
import shutil
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("billing", "portal", "proxy")
NOT_OURS = {
    ".clients",
    ".git",
    ".venv",
    "__pycache__",
    "htmlcov",
    "node_modules",
    "var",
}


@cache
def all_files() -> tuple[Path, ...]:
    """Every file that is, or is about to be, under version control.

    Without git (an unpacked archive): everything that is not made by a tool.
    """
    if (ROOT / ".git").exists() and shutil.which("git"):
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        found = [ROOT / name for name in listing.stdout.split("\0") if name]
        return tuple(sorted(path for path in found if path.is_file()))
    return tuple(
        sorted(
            path
            for path in ROOT.rglob("*")
            if path.is_file()
            and not NOT_OURS & set(path.relative_to(ROOT).parts)
            and not any(part.endswith(("_cache", ".egg-info")) for part in path.parts)
        )
    )


def python_files(*folders: str) -> list[Path]:
    """Python files, of the whole project or of some top-level folders."""
    return [
        path
        for path in all_files()
        if path.suffix == ".py"
        and (not folders or path.relative_to(ROOT).parts[0] in folders)
    ]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def text_of(path: Path) -> str | None:
    """The text; None for a binary file."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def tree_of(path: Path) -> ast.Module:
    return ast.parse(text_of(path) or "", filename=str(path))
