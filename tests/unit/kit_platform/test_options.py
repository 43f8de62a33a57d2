"""The command line of `up` and the ports that follow from it."""

from pathlib import Path

import pytest

from tocsin_kit.config import EmbeddedSection
from tocsin_kit.platform.journal import LIMIT, Journal
from tocsin_kit.platform.options import choose_ports, parse


def test_the_default_ports_are_the_documented_ones() -> None:
    """Gateway 7700 and the services behind it, operations 7790, NATS 7722, MongoDB 7717."""
    ports = choose_ports(parse(["up"]), EmbeddedSection())
    assert (ports.services["gateway"], ports.services["observer"]) == (7700, 7707)
    assert (ports.ops, ports.nats, ports.monitor, ports.mongo) == (7790, 7722, 7723, 7717)


def test_one_option_moves_all_ports_but_those_that_were_chosen() -> None:
    """So that two platforms fit on a machine without thirteen variables."""
    ports = choose_ports(parse(["up", "--port", "8000"]), EmbeddedSection(mongo_port=9999))
    assert (ports.services["auth"], ports.ops, ports.nats, ports.monitor, ports.mongo) == (8001, 8090, 8022, 8023, 9999)


def test_ephemeral_ports_are_free_and_different() -> None:
    """And readiness is told to a program."""
    options = parse(["up", "--ephemeral"])
    ports = choose_ports(options, EmbeddedSection())
    assert options.json_ready
    assert len({*ports.services.values(), ports.ops, ports.nats, ports.monitor, ports.mongo}) == 12


@pytest.mark.parametrize("port", ["0", "http", "65536", "-1"])
def test_what_is_no_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the range that is possible."""
    with pytest.raises(SystemExit) as caught:
        parse(["up", f"--port={port}"])
    assert caught.value.code == 2
    assert "is not a port between 1 and" in capsys.readouterr().err


def test_the_log_file_is_bounded(tmp_path: Path) -> None:
    """One older file is kept; both are private."""
    path = tmp_path / "tocsin.log"
    journal = Journal(path)
    line = "x" * (LIMIT // 4) + "\n"
    for _ in range(10):
        journal.write(line)
    journal.close()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["tocsin.log", "tocsin.log.1"]
    assert all(file.stat().st_size <= LIMIT for file in files)
    assert path.stat().st_mode & 0o777 == 0o600
