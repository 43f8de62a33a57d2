"""Settings: where they come from, what is refused, what is never shown."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import Field

from tocsin_kit.config import Duration, Secret, Section, SettingsInvalid, load
from tocsin_kit.config.durations import show_duration
from tocsin_kit.config.reference import render


class Demo(Section):
    """A demonstration."""

    section = "demo"

    key: Secret = Field(description="A secret.")
    names: tuple[str, ...] = Field((), description="Some names.")
    pause: Duration = Field(timedelta(minutes=5), description="A pause.")
    limit: int = Field(10, ge=1, description="A limit.")


def test_the_environment_wins_over_the_file_and_the_caller_over_both(tmp_path: Path) -> None:
    """Later wins: defaults, file, environment, overrides."""
    file = tmp_path / "tocsin.toml"
    file.write_text('[demo]\nkey = "from-file"\nlimit = 2\npause = "30s"\n[nats]\nurl = "nats://file:1"\n[other]\nx = 1\n')
    environ = {"TOCSIN_CONFIG": str(file), "TOCSIN_DEMO_LIMIT": "3", "TOCSIN_DEMO_NAMES": "a, b", "TOCSIN_OTHER_Y": "1"}
    settings = load([Demo], environ=environ, overrides={"nats": {"url": "nats://caller:2"}}, foreign=["other"])
    demo = settings.of(Demo)
    assert (demo.key.reveal(), demo.limit, demo.pause, demo.names) == ("from-file", 3, timedelta(seconds=30), ("a", "b"))
    assert settings.platform.nats.url == "nats://caller:2"


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    """As Kubernetes and compose mount them; a line break at the end is not part of it."""
    (tmp_path / "key").write_text("s3cret\n")
    assert load([Demo], environ={"TOCSIN_DEMO_KEY_FILE": str(tmp_path / "key")}).of(Demo).key == Secret("s3cret")


def test_everything_wrong_is_said_at_once_by_the_names_people_wrote(tmp_path: Path) -> None:
    """A person fixes all of it in one go."""
    environ = {"TOCSIN_NATS_URLL": "x", "TOCSIN_DEMO_LIMIT": "0", "TOCSIN_MONGOO_URL": "x", "TOCSIN_OPS_PORT": "many"}
    with pytest.raises(SettingsInvalid) as caught:
        load([Demo], environ=environ)
    wrong = {violation.pointer: (violation.detail, violation.hint) for violation in caught.value.violations}
    assert wrong["TOCSIN_NATS_URLL"][1] == "did you mean TOCSIN_NATS_URL?"
    assert wrong["TOCSIN_MONGOO_URL"][1] == "did you mean TOCSIN_MONGO_URL?"
    assert wrong["TOCSIN_DEMO_KEY"][0] == "must be given"
    assert wrong["TOCSIN_DEMO_LIMIT"][0].startswith("input should be greater")
    assert "TOCSIN_OPS_PORT" in wrong
    assert len(wrong) == 5


def test_an_unknown_section_or_key_of_the_file_is_refused_with_the_nearest(tmp_path: Path) -> None:
    """The file is named too."""
    file = tmp_path / "tocsin.toml"
    file.write_text("[nast]\nurl = 'x'\n[nats]\nuzer = 'x'\n")
    with pytest.raises(SettingsInvalid) as caught:
        load(environ={"TOCSIN_CONFIG": str(file)})
    hints = [(violation.pointer.removeprefix(f"{file}: "), violation.hint) for violation in caught.value.violations]
    assert hints == [("[nast]", "did you mean nats?"), ("[nats] uzer", "did you mean user?")]


def test_both_ways_to_give_one_value_are_refused() -> None:
    """Nobody has to guess which one counts."""
    with pytest.raises(SettingsInvalid, match="give one of the two"):
        load([Demo], environ={"TOCSIN_DEMO_KEY": "a", "TOCSIN_DEMO_KEY_FILE": "/nowhere"})


def test_nothing_prints_a_secret() -> None:
    """Neither repr, str, format, model dumps nor errors."""
    demo = Demo(key=Secret("hunter2"))
    shown = f"{demo!r} {demo} {demo.key} {demo.key!r} {demo.model_dump_json()} {json.dumps(demo.model_dump(mode='json'))}"
    assert "hunter2" not in shown
    assert "**hidden**" in shown
    with pytest.raises(TypeError):
        json.dumps({"key": demo.key})
    with pytest.raises(SettingsInvalid) as caught:
        load([Demo], environ={"TOCSIN_DEMO_KEY": "hunter2", "TOCSIN_DEMO_LIMIT": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("250ms", 0.25), ("30s", 30), ("5m", 300), ("2h", 7200), ("7d", 604800), ("PT5S", 5), ("5", 5), ("1.5", 1.5)],
)
def test_durations_are_read_as_people_write_them(text: str, value: float) -> None:
    """And shown the same way."""
    pause = load([Demo], environ={"TOCSIN_DEMO_KEY": "x", "TOCSIN_DEMO_PAUSE": text}).of(Demo).pause
    assert pause.total_seconds() == value
    if text[-1].islower():
        assert show_duration(pause) == text


def test_what_is_no_duration_says_how_one_is_written() -> None:
    """Not what a parser of another format stumbled over."""
    with pytest.raises(SettingsInvalid, match="30s, 5m, 2h, 7d, a number of seconds, or PT30S"):
        load([Demo], environ={"TOCSIN_DEMO_KEY": "x", "TOCSIN_DEMO_PAUSE": "soon"})


def test_the_reference_page_has_every_field() -> None:
    """With variable, type, default and meaning."""
    page = render([Demo])
    assert "| `TOCSIN_DEMO_KEY` | secret | **required** | A secret. |" in page
    assert "| `TOCSIN_DEMO_PAUSE` | duration | `5m` | A pause. |" in page
    assert "| `TOCSIN_DEMO_NAMES` | list of text | none | Some names. |" in page
    assert "| `TOCSIN_LOG_FORMAT` | `auto` \\| `json` \\| `console` | `auto` |" in page
