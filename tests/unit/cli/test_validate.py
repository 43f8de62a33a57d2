"""`tocsin workflow validate`: the grammar here, the rest by the executor's compiler."""

import json
import sys
from pathlib import Path

import pytest

from tocsin.cli.exits import Exit
from tocsin.cli.root import run

HEAD = "document: {dsl: 1.0.3, namespace: default, name: flow, version: 1.0.0}\n"


def test_what_would_be_refused_at_publication_is_said_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its place in the file: limits that make no sense, a wrong question, a secret where it would be recorded."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        "document:\n  {dsl: 1.0.3, namespace: default, name: flow, version: 1.0.0, metadata: {tocsin: {priority: 1000}}}\n"
        "use: {secrets: [x]}\ndo:\n  - a:\n      call: approval\n      with: {titel: x}\n"
        "  - b:\n      set: {s: '${ $secrets.x }'}\n  - c:\n      set: {n: 1}\n"
        "      input: {schema: {document: {type: nonsense}}}\n"
    )
    assert run(["workflow", "validate", str(wrong)]) == Exit.INVALID
    said = capsys.readouterr().out
    for place, words in (("2:", "-100 to 100"), ("7:", "'titel'"), ("9:", "$secrets"), ("12:", "this is no JSON schema")):
        assert any(f"wrong.yaml:{place}" in line and words in line for line in said.splitlines()), said


def test_slips_are_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With place and suggestion, those that only the executor knows among them; the document is valid all the same."""
    odd = tmp_path / "odd.yaml"
    odd.write_text(
        HEAD + "schedule: {every: PT1H}\ninput: {schema: {document: {required: [x]}}}\ntimeout: {after: PT1M}\n"
        "do:\n  - a: {set: {x: 'Hi ${ .n }'}, timeout: {after: PT1H}}\n"
    )
    assert run(["workflow", "validate", str(odd)]) == Exit.OK
    lines = [line.rpartition("odd.yaml:")[2][:14] for line in capsys.readouterr().out.splitlines() if "warning: " in line]
    assert lines == ["2:12: warning:", "6:15: warning:", "6:33: warning:"]
    assert run(["workflow", "validate", "--json", str(odd)]) == Exit.OK
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert [(file["valid"], file["errors"]), len(file["warnings"])] == [(True, []), 3]
    assert all(warning["hint"] for warning in file["warnings"])


def test_what_is_imported_is_not_fetched(tmp_path: Path) -> None:
    """Nor does it make a document wrong; nor does what this version does not offer."""
    sound = tmp_path / "sound.yaml"
    sound.write_text(
        HEAD + "use: {catalogs: {ours: {endpoint: https://catalog.invalid}}}\n"
        "do:\n  - a: {call: 'log:1.0.0@ours', with: {x: 1}}\n  - b: {call: 'https://functions.invalid/f.yaml'}\n"
        "  - c: {set: {n: 1}, input: {schema: {format: json, resource: {endpoint: https://schemas.invalid/s.json}}}}\n"
        "  - d: {run: {script: {language: ruby, code: x}}}\n"
    )
    assert run(["workflow", "validate", str(sound)]) == Exit.OK


def test_a_compiler_that_gives_no_answer_is_no_approval(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks is told so, and not that the document is sound."""
    sound = tmp_path / "sound.yaml"
    sound.write_text(HEAD + "do:\n  - a: {set: {x: 1}}\n")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert run(["workflow", "validate", str(sound)]) not in {Exit.OK, Exit.INVALID}
    assert "gave no answer" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """As of every program."""
    assert run(["--version"]) == Exit.OK
    assert capsys.readouterr().out.startswith("tocsin ")
