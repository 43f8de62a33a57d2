"""compose.yaml: complete, locked down, without a default secret, and with variables that the services know."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from contract.deployment import environments, keys
from contract.deployment.manifests import ROOT
from tocsin_kit.bus.permissions import SERVICES
from tocsin_kit.chassis import PORTS

TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = YAML(typ="safe", pure=True).load(io.StringIO(TEXT))
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
AS_ROOT = {"volumes-init"}  # for one chown, then it ends

every_container = pytest.mark.parametrize("name", CONTAINERS)


def interpolated(value: object) -> str:
    """What compose makes of a value where nothing is set."""
    return re.sub(r"\$\{\w+:?-([^}]*)\}", r"\1", str(value))


@every_container
def test_a_container_has_no_root_capabilities_or_place_to_write(name: str) -> None:
    """The one that owns the volumes may chown and nothing else."""
    container = CONTAINERS[name]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in container
    assert not any("docker.sock" in str(volume) for volume in container.get("volumes", []))
    if name in AS_ROOT:
        assert (container["cap_add"], container["network_mode"]) == (["CHOWN"], "none")
    else:
        assert "cap_add" not in container
        assert container["user"].startswith("${TOCSIN_UID:?")


@every_container
def test_a_container_has_limits(name: str) -> None:
    """Processor, memory, processes."""
    assert {"cpus", "mem_limit", "pids_limit"} <= CONTAINERS[name].keys()


@every_container
def test_an_image_has_a_version(name: str) -> None:
    """Never the newest whatever it is."""
    image = interpolated(CONTAINERS[name]["image"])
    assert ":" in image
    assert not image.endswith(":latest")


@every_container
def test_a_port_is_published_on_loopback_only(name: str) -> None:
    """Who wants more says so in .env."""
    for port in CONTAINERS[name].get("ports", []):
        assert interpolated(port).startswith("127.0.0.1:")


@every_container
def test_a_container_waits_for_what_it_needs_to_be_well(name: str) -> None:
    """Not only to be started; and what it waits for can say so."""
    for other, how in CONTAINERS[name].get("depends_on", {}).items():
        needed = CONTAINERS[other]
        if how["condition"] == "service_healthy":
            assert needed.get("healthcheck", {}).get("disable") is not True
            ours = interpolated(needed["image"]).startswith("tocsin:")  # the image brings its own check
            assert ours or "test" in needed["healthcheck"]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert needed["restart"] == "no"


def test_every_service_runs_as_its_own_user_of_the_bus() -> None:
    """With its own password, and its own database if it keeps anything."""
    for service in SERVICES:
        container = CONTAINERS[service]
        assert container["environment"]["TOCSIN_NATS_USER"] == service
        assert {one["target"]: one["source"] for one in container["secrets"]} == keys.MAKER.of_service(service)


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_is_a_setting_that_takes_the_value(service: str, tmp_path: Path) -> None:
    """Read by the code that will read it."""
    for name in keys.ALL:
        (tmp_path / name).write_text(keys.example(name), encoding="utf-8")
    container = CONTAINERS[service]
    environment = {name: interpolated(value) for name, value in container["environment"].items()}
    environments.read(container["command"][-1], environment, tmp_path)
    for name, value in environment.items():
        if name.startswith("TOCSIN_SERVICES_") and name != "TOCSIN_SERVICES_GATEWAY_URL":  # that is how users reach it
            host, _, port = value.removeprefix("http://").partition(":")
            assert PORTS[host] == int(port)
            assert host in CONTAINERS


def test_every_secret_is_a_file_that_make_secrets_writes() -> None:
    """And every file that a service finds is given to it."""
    folder = "${TOCSIN_SECRETS:-./deploy/secrets}/"
    made = {*keys.MAKER.wanted(), *keys.MAKER.DERIVED}
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": folder + name}
        assert name in made
    used = {
        one["source"] if isinstance(one, dict) else one
        for container in CONTAINERS.values()
        for one in container.get("secrets", [])
    }
    assert used == set(COMPOSE["secrets"])


def test_no_secret_stands_in_the_file() -> None:
    """No password, key or token has a value or a default here."""
    for container in CONTAINERS.values():
        for name, value in container.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|KEY|SEED|URL_FILE", name):
                assert name.endswith("FILE")
                assert str(value).startswith("/run/secrets/")


def test_every_mounted_file_exists() -> None:
    """Docker would make an empty folder of one that does not."""
    for container in CONTAINERS.values():
        for volume in container.get("volumes", []):
            if isinstance(volume, str) and volume.startswith("./"):
                assert (ROOT / volume.partition(":")[0]).exists()
                assert volume.endswith(":ro")


def test_a_volume_keeps_the_owner_it_was_given() -> None:
    """Docker gives an empty volume the owner of the folder in the image, unless it is told not to copy."""
    owned = {volume.partition(":")[0] for volume in CONTAINERS["volumes-init"]["volumes"]}
    assert owned == set(COMPOSE["volumes"])
    for name, container in CONTAINERS.items():
        for volume in container.get("volumes", []) if name != "volumes-init" else []:
            if not str(volume).startswith("./"):
                assert volume["volume"] == {"nocopy": True}
                assert volume["source"] in owned


def test_only_what_calls_out_and_what_is_published_reaches_beyond() -> None:
    """The inner network has no way out; what has nothing to ask outside is on no other."""
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    outside = {name for name, container in CONTAINERS.items() if "outside" in container.get("networks", [])}
    assert outside == {"worker", "trigger", "observer", "lineage", "auth", "gateway"} | {
        name for name, container in CONTAINERS.items() if "ports" in container
    }
