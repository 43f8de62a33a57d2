"""deploy/make-secrets: drawn once, readable by the owner only, and accepted by a real NATS server."""

import base64
import io
import re
import subprocess
from pathlib import Path

from ruamel.yaml import YAML

from contract.deployment import keys
from tocsin_kit.bus.permissions import SERVICES, permissions_of
from tocsin_kit.embedded.binaries import find_nats_server


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_every_secret_is_drawn_once_and_kept(tmp_path: Path) -> None:
    """A second run changes nothing, so it can be run after every upgrade."""
    folder = tmp_path / "secrets"
    assert keys.MAKER.main(["--folder", str(folder)]) == 0
    first = contents(folder)
    assert keys.MAKER.main(["--folder", str(folder)]) == 0
    assert contents(folder) == first
    assert set(first) == {*keys.MAKER.wanted(), *keys.MAKER.DERIVED, ".gitignore"}


def test_no_two_secrets_are_alike_and_only_the_owner_reads_them(tmp_path: Path) -> None:
    """Neither within a folder nor between two."""
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        keys.MAKER.fill(folder)
    values = [text for folder in (one, other) for name, text in contents(folder).items() if name in keys.MAKER.wanted()]
    assert len(set(values)) == len(values)
    assert {path.stat().st_mode & 0o777 for path in one.iterdir() if path.name != ".gitignore"} == {0o600}
    assert one.stat().st_mode & 0o777 == 0o700


def test_a_real_server_accepts_the_users(tmp_path: Path) -> None:
    """With the configuration that compose and the dev overlay use."""
    keys.MAKER.fill(tmp_path)
    config = tmp_path / "nats.conf"
    config.write_text('listen: "127.0.0.1:0"\ninclude "nats_authorization.conf"\n', encoding="utf-8")
    done = subprocess.run(
        [str(find_nats_server()), "-t", "-c", str(config)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_service_has_its_own_permissions(tmp_path: Path) -> None:
    """As the code has them."""
    keys.MAKER.fill(tmp_path)
    text = (tmp_path / "nats_authorization.conf").read_text(encoding="utf-8")
    for service in SERVICES:
        (line,) = re.findall(rf'^ *\{{ user: "{service}", .*$', text, flags=re.MULTILINE)
        for subject in (*permissions_of(service).publish, *permissions_of(service).subscribe):
            assert f'"{subject}"' in line


def test_the_environment_of_compose_keeps_what_a_person_wrote(tmp_path: Path) -> None:
    """Only what is missing is added."""
    file = tmp_path / ".env"
    file.write_text("TOCSIN_PUBLISH=0.0.0.0:80\nCOMPOSE_PROJECT_NAME=mine\n", encoding="utf-8")
    keys.MAKER.put_environment(file, tmp_path)
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["TOCSIN_PUBLISH=0.0.0.0:80", "COMPOSE_PROJECT_NAME=mine"]
    assert {line.partition("=")[0] for line in lines[2:]} == {"TOCSIN_UID", "TOCSIN_GID", "TOCSIN_SECRETS"}


def test_the_kubernetes_secrets_hold_what_each_service_finds(tmp_path: Path) -> None:
    """One Secret for each service, with nothing of another's."""
    keys.MAKER.fill(tmp_path)
    files = contents(tmp_path)
    objects = list(YAML(typ="safe").load_all(io.StringIO(keys.MAKER.kubernetes_secrets(tmp_path))))
    tables = {
        one["metadata"]["name"]: {name: base64.b64decode(text).decode() for name, text in one["data"].items()}
        for one in objects
    }
    assert tables.keys() == {f"tocsin-{name}" for name in (*SERVICES, "nats", "mongo")}
    for service in SERVICES:
        assert tables[f"tocsin-{service}"] == {name: files[file] for name, file in keys.MAKER.of_service(service).items()}
