"""What the console is made of, read without a browser: it parses, it is whole, and it asks only for what there is."""

import json
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

# `otpauth://totp/a?secret=B` as qrcode 8 draws it (error correction M), and as zbar reads it.
CODE = [
    "1111111010000101101111111",
    "1000001000010010101000001",
    "1011101000001010001011101",
    "1011101011101110001011101",
    "1011101011001111001011101",
    "1000001010010100101000001",
    "1111111010101010101111111",
    "0000000010101011100000000",
    "1000101110001000011111001",
    "1101100011010111100110010",
    "0111111011000101001111100",
    "0100010101110010001110110",
    "0111001110001001011100111",
    "1000010110100101010110010",
    "0010001010000101100010100",
    "0000110000101001110010101",
    "1101001001011000111111110",
    "0000000010101111100011000",
    "1111111010110010101010100",
    "1000001000100010100010100",
    "1011101010001000111111100",
    "1011101001000100011001011",
    "1011101001011010111001110",
    "1000001000111000001000110",
    "1111111010110011010100111",
]

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


def test_what_other_modules_give_is_imported_where_it_is_used():
    """A name that was forgotten would be found only by whoever opens that page."""
    given = {
        name
        for it in SCRIPTS
        for name in re.findall(r"^export (?:async )?(?:function|const) (\w+)", it.read_text(encoding="utf-8"), re.MULTILINE)
    }
    for script in SCRIPTS:
        text = re.sub(r"//.*", "", script.read_text(encoding="utf-8"))
        called = set(re.findall(r"(?<![.\w$])(\w+)\(", re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', text)))
        imported = {
            name.strip() for names in re.findall(r"^import \{([^}]+)\}", text, re.MULTILINE) for name in names.split(",")
        }
        own = set(re.findall(r"(?:function|const|let|get) (\w+)", text)) | set(re.findall(r"[(,{] ?(\w+)(?= ?[,)}=:])", text))
        assert called & given - imported - own == set(), script.name


def test_every_code_for_a_phone_holds_what_it_should(tmp_path):
    """The modules of a code as another encoder draws them, and the sizes up to the largest that is drawn."""
    if shutil.which("node") is None:
        pytest.skip("no Node.js here to run the script with")
    script = (
        "globalThis.setInterval = () => 0; const { encode } = await import(process.argv[2]);"
        "const rows = (text) => encode(text).map((row) => [...row].join(''));"
        "console.log(JSON.stringify([rows('otpauth://totp/a?secret=B'), rows('x'.repeat(666)).length,"
        " [13, 14, 15, 213, 214].map((n) => rows('y'.repeat(n)).length)]))"
    )
    file = tmp_path / "code.mjs"
    file.write_text(script)
    done = subprocess.run(["node", "--no-warnings", file, FOLDER / "qr.js"], capture_output=True, text=True, check=True)
    small, largest, sizes = json.loads(done.stdout)
    assert small == CODE
    assert (largest, sizes) == (97, [21, 21, 25, 57, 61])


async def test_the_page_names_every_module_and_says_whether_a_part_has_changed():
    """Browsers fetch what is named side by side, and keep what is the same."""
    told = {route.path: await route.handler(None) for route in console.console_routes()}
    for script in SCRIPTS:
        assert f'<link rel="modulepreload" href="/console/{script.name}">'.encode() in told["/"].body
    again = {route.path: await route.handler(None) for route in console.console_routes()}
    assert {path: reply.revision for path, reply in told.items()} == {path: reply.revision for path, reply in again.items()}
    assert len({reply.revision for reply in told.values()}) == len(told)


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
