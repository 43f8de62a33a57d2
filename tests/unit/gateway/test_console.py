"""What the console is made of, read without a browser: it parses, it is whole, and it asks only for what there is."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tocsin_gateway.http import console
from tocsin_kit.platform.permissions_page import served

FOLDER = Path(console.__file__).parent / "static"
SCRIPTS = sorted(FOLDER.glob("*.js"))
PAGE = (FOLDER / "index.html").read_text(encoding="utf-8")
ROUTES = {(one.route.method, one.route.template) for one in served() if one.service != "gateway"} | {("GET", "/api/v1/status")}

# What asks, and how: name of the function, what stands before the path, the method unless it is said.
ASKING = {
    **dict.fromkeys(("get", "look"), ("/api/v1/", "GET")),
    **dict.fromkeys(("call", "fetch"), ("", "GET")),
    "tell": ("/api/v1/", "POST"),
    "post": ("", "POST"),
}


def _calls(text: str) -> Iterator[tuple[str, str]]:
    """Method and path of everything that a script asks the platform for; what is put in is ``{}``."""
    for name, path, rest in re.findall(r"(?<![.\w])(get|look|tell|call|post|fetch)\(\s*[\"`]([^\"`\n]+)[\"`]([^\n]*)", text):
        before, method = ASKING[name]
        said = re.search(r"method: \"(\w+)\"", rest) if name == "call" else None
        said = said or (re.search(r", \"(PATCH|PUT|DELETE)\"\)", rest) if name == "tell" else said)
        yield said[1] if said else method, before + re.sub(r"\$\{(?:[^{}]|\{[^{}]*\})*\}", "{}", path).partition("?")[0]


def _is_served(method: str, path: str) -> bool:
    asked = path.split("/")

    def is_like(template: str) -> bool:
        parts = template.split("/")
        return len(parts) == len(asked) and all(
            "{" in part or "{" in one or part == one for part, one in zip(parts, asked, strict=True)
        )

    return any(method == served_method and is_like(template) for served_method, template in ROUTES)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda it: it.name)
def test_a_script_asks_only_for_what_is_served(script):
    """Each path exists, with that method."""
    assert [call for call in _calls(script.read_text(encoding="utf-8")) if not _is_served(*call)] == []


def test_what_scripts_ask_for_is_found():
    """The check above sees something: some of what is known to be asked is among it."""
    calls = {call for script in SCRIPTS for call in _calls(script.read_text(encoding="utf-8"))}
    assert {
        ("GET", "/api/v1/runs"),
        ("POST", "/api/v1/auth/login"),
        ("PATCH", "/api/v1/cases/{}"),
        ("POST", "/api/v1/workflows"),
    } <= calls
    assert len(calls) > 50
    assert not _is_served("GET", "/api/v1/nothing")
    assert not _is_served("DELETE", "/api/v1/runs")


def test_every_part_that_is_named_is_there():
    """Modules that are imported, what they export, files of the page, and elements that a script looks for."""
    exported = {
        it.name: set(re.findall(r"^export (?:async )?(?:function|const) (\w+)", it.read_text(encoding="utf-8"), re.MULTILINE))
        for it in SCRIPTS
    }
    for script in SCRIPTS:
        text = script.read_text(encoding="utf-8")
        for names, module in re.findall(r"^import \{([^}]+)\} from \"\./([\w.]+)\";", text, re.MULTILINE):
            wanted = {name.strip() for name in names.split(",")}
            assert wanted <= exported[module], (script.name, module, wanted - exported[module])
            body = text.partition(f'from "./{module}";')[2]
            assert [name for name in wanted if not re.search(rf"\b{name}\b", body)] == [], (
                f"{script.name} imports what it does not use"
            )
        assert set(re.findall(r"byId\(\"([\w-]+)\"\)", text)) <= set(re.findall(r"\bid=\"([\w-]+)\"", PAGE)), script.name
    paths = {f"/console/{it.name}" for it in FOLDER.iterdir()}
    assert set(re.findall(r"(?:src|href)=\"(/console/[^\"]+)\"", PAGE)) <= paths


def test_nothing_comes_from_elsewhere_and_nothing_is_run_from_text():
    """No other origin, no markup made of strings, no script or style in the page: the content policy would refuse them."""
    for file in FOLDER.iterdir():
        text = file.read_text(encoding="utf-8")
        assert set(re.findall(r"[\"'(](?:https?:)?//[a-z][^\"'\s)]*", text)) <= {'"http://www.w3.org/2000/svg'}, file.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function|\bimport\(", text), (
            file.name
        )
    assert not re.search(r"\son\w+=|style=|<style|<script(?! src=)", PAGE)


def test_questions_are_asked_where_the_keyboard_and_readers_of_the_screen_find_them():
    """Dialogs of the page rather than of the browser, which block everything and cannot say what is wrong."""
    for script in SCRIPTS:
        assert not re.search(r"(?<![\w.])(alert|confirm|prompt)\(", script.read_text(encoding="utf-8")), script.name


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js here to read the scripts with")
def test_every_script_parses():
    """As a module, by a real engine."""
    parse = "for (const it of process.argv.slice(1)) new vm.SourceTextModule(fs.readFileSync(it, 'utf8'), { identifier: it })"
    done = subprocess.run(
        ["node", "--no-warnings", "--experimental-vm-modules", "-e", parse, *SCRIPTS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
