"""The shape of the tree, where import contracts cannot see it."""

import ast
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
MODULES = sorted(p for top in ("libs", "services") for p in (ROOT / top).rglob("*.py"))
SERVICES = sorted(p for p in (ROOT / "services").iterdir() if p.name.startswith("tocsin_"))
ROOMS = {"__init__.py", "__main__.py", "wiring.py", "settings.py", "domain", "adapters", "http"}
VAGUE = re.compile(r"(^|_)(utils?|helpers?|common|base|manager|misc)(_|$)")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_says_what_it_is_for_and_stays_small(path: pathlib.Path) -> None:
    """A docstring; at most 400 lines, 50 a function; a name that says something; in a package that the linters can see."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert ast.get_docstring(tree), "the module does not say what it is for"
    assert text.count("\n") <= 400, "more than 400 lines: two things probably live here"
    assert [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= 50] == [], "functions of more than 50 lines"
    assert (path.parent / "__init__.py").is_file(), "a folder without __init__.py is invisible to the import contracts"
    assert not VAGUE.search(path.stem), "the name says nothing about what is inside"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_import_is_hidden(path: pathlib.Path) -> None:
    """Imports stand at the top, where readers and contracts see them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = [
        node.lineno
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert hidden == []
    assert "TYPE_CHECKING" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("service", SERVICES, ids=lambda p: p.name)
def test_a_service_has_the_rooms_every_service_has(service: pathlib.Path) -> None:
    """A reader who knows one service can find anything in the others."""
    present = {p.name for p in service.iterdir()}
    assert present >= ROOMS
    assert {"application.py", "application"} & present
    assert {"ports.py", "ports"} & present


def test_nothing_names_this_machine_or_a_registry() -> None:
    """The tree can be cloned anywhere: no absolute path of a workplace, no registry host, lock files included."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    hosts = ("pypi" + ".org", "pythonhosted" + ".org", "registry." + "npmjs", "deb." + "debian.org")
    found = []
    for name in filter(None, tracked):
        path = ROOT / name
        if path.suffix in {".png", ".ico", ".woff2"} or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{name}: {host}" for host in hosts if host in text]
        if re.search(r"(^|[^A-Za-z0-9_./-])/(work|farm)/", text):
            found.append(f"{name}: a path of one machine")
    assert found == []
