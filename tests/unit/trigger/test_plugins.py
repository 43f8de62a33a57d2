"""Functions of plugins, each look in a process of its own."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tocsin.errors import Rejected, Unavailable
from tocsin_kit.config import Secret
from tocsin_trigger.adapters.plugins import Plugins
from tocsin_trigger.domain.sources import FunctionSource
from tocsin_trigger.domain.triggers import Target, Trigger

NOW = datetime(2026, 3, 2, tzinfo=UTC)
CODE = """
import os, sys, time

def since(cursor, most=2, token=None):
    print("this is no answer", file=sys.stdout)
    begin = cursor or 0
    items = [{"id": n, "env": sorted(os.environ)} for n in range(begin, begin + most)]
    return {"items": items, "cursor": begin + most, "more": begin == 0}

async def listed(cursor):
    return ["a", "b"]

def fails(cursor, token):
    raise ValueError(f"{token} is not accepted")

def hangs(cursor):
    time.sleep(600)

def crashes(cursor):
    os.abort()

def odd(cursor):
    return 7
"""
POINTS = "[tocsin.sensors]\n" + "\n".join(
    f"{name} = shop_sensor:{name}" for name in ("since", "listed", "fails", "hangs", "crashes", "odd")
)


class Given:
    """Secrets."""

    async def resolve(self, namespace: str, names: Collection[str], *, used_by: Mapping[str, str]) -> Mapping[str, Secret]:
        assert (namespace, used_by) == ("default", {"trigger": "t"})
        return {name: Secret('"hunter2"') for name in names}


@pytest.fixture
def plugins(tmp_path: Path) -> Plugins:
    """With one that lies in a folder."""
    (tmp_path / "shop_sensor.py").write_text(CODE)
    facts = tmp_path / "shop_sensor-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-sensor\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(POINTS)
    return Plugins([str(tmp_path)], Given())


def source(name: str, **more: object) -> FunctionSource:
    return replace(FunctionSource(name, timedelta(seconds=1)), **more)


def trigger(of: FunctionSource) -> Trigger:
    return Trigger("i", "default", "t", of, Target("w"), NOW, NOW)


async def test_a_function_gives_items_from_its_cursor_on(plugins: Plugins) -> None:
    """What it prints is nobody's answer, and it sees nothing of this process's environment."""
    of = source("since", arguments='{"most": 3}', id=".id", secrets=(("token", "shop"),))
    first = await plugins.look(trigger(of), of, None)
    assert ([item.id for item in first.items], first.cursor, first.more) == (["0", "1", "2"], 3, True)
    assert first.items[0].data == {"id": 0, "env": ["HOME", "LANG", "PATH"]}
    second = await plugins.look(trigger(of), of, first.cursor)
    assert ([item.id for item in second.items], second.cursor, second.more) == (["3", "4", "5"], 6, False)


async def test_a_plain_list_keeps_the_cursor(plugins: Plugins) -> None:
    """Items without a path to an id are known by their digest; a coroutine works, too."""
    of = source("listed")
    look = await plugins.look(trigger(of), of, {"at": 1})
    assert ([item.data for item in look.items], look.cursor, look.more) == (["a", "b"], {"at": 1}, False)
    assert [item.id for item in look.items] == [item.id for item in (await plugins.look(trigger(of), of, None)).items]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fails", r"ValueError: \*\*\* is not accepted"),
        ("hangs", "within 1 s and was killed"),
        ("crashes", "ended without an answer"),
        ("odd", "gives int"),
        ("nowhere", "There is no function nowhere.*crashes, fails"),
    ],
)
async def test_a_function_that_fails_is_asked_again(plugins: Plugins, name: str, words: str) -> None:
    """The reason is for the trigger's state; no secret is in it."""
    secrets = (("token", "shop"),) if name == "fails" else ()
    of = source(name, secrets=secrets, patience=timedelta(seconds=1 if name == "hangs" else 30))
    with pytest.raises(Unavailable, match=words):
        await plugins.look(trigger(of), of, None)


async def test_an_item_without_its_id_is_refused(plugins: Plugins) -> None:
    """Otherwise a repeat could not be told from something new."""
    of = source("listed", id=".id")
    with pytest.raises(Rejected):
        await plugins.look(trigger(of), of, None)
