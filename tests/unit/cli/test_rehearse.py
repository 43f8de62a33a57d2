"""`tocsin workflow test`: cases of a definition from files."""

from pathlib import Path

import pytest

from tocsin.cli.exits import Exit
from tocsin.cli.root import run

WORKFLOW = """\
document: {dsl: 1.0.3, namespace: default, name: price, version: 1.0.0}
do:
  - quote:
      call: http
      with: {method: get, endpoint: https://prices.example.com}
  - double:
      set: {price: "${ .price * 2 }"}
"""
CASES = """\
workflow: price.yaml
cases:
  - name: doubles
    tasks: {quote: {output: {price: 4}}}
    expect: {output: {price: 8}}
  - name: shop is closed
    tasks: {quote: {error: {type: x, status: 503}}}
    expect: {error: {status: %s}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the workflow in it."""
    (tmp_path / "price.yaml").write_text(WORKFLOW)
    return tmp_path


def test_cases_that_are_as_expected_pass(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and how many there were."""
    (folder / "cases.yaml").write_text(CASES % 503)
    assert run(["workflow", "test", str(folder / "cases.yaml")]) == Exit.OK
    assert "2 passed, 0 failed" in capsys.readouterr().out


def test_a_case_that_is_not_fails_and_says_why(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1; the complaint names what it is and what it should be."""
    (folder / "cases.yaml").write_text(CASES % 500)
    assert run(["workflow", "test", str(folder / "cases.yaml")]) == Exit.NEGATIVE
    assert "the error's status is 503 and should be 500" in capsys.readouterr().out


def test_an_answer_for_a_task_that_is_not_there_fails_the_case(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would never be given, and the case would say something else than its author thinks."""
    (folder / "cases.yaml").write_text(
        (CASES % 503).replace("tasks: {quote: {output", "tasks: {quoted: {output: 1}, quote: {output")
    )
    assert run(["workflow", "test", str(folder / "cases.yaml")]) == Exit.NEGATIVE
    assert "there is no task 'quoted'" in capsys.readouterr().out


def test_a_file_that_holds_no_cases_is_refused(folder: Path) -> None:
    """Exit code of invalid input."""
    (folder / "cases.yaml").write_text("workflow: price.yaml\ncases: [{inputs: 1}]\n")
    assert run(["workflow", "test", str(folder / "cases.yaml")]) == Exit.INVALID
