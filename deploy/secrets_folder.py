"""Makes the folder of secrets that compose mounts, and the same as Kubernetes Secrets; `deploy/make-secrets` runs it.

Every value is drawn at random and written to a file of its own that only its owner can read. What exists is kept, so it can be
run again after an upgrade. Only what follows from the rest is written anew: the NATS users (what each service may publish
follows from the code) and the list of secrets by which the auth service knows the others.
It prints no secret, except with `--kubernetes`, whose output is for `kubectl apply -f -`.
"""

import argparse
import base64
import json
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import nkeys

from tocsin_kit.bus.permissions import SERVICES, Permissions, permissions_of
from tocsin_kit.bus.permissions import authorization as who_may_come_in

CONTAINER_USER: Final = 10001  # the image's; used when root runs this, since no container of ours runs as root
KEEPING: Final = tuple(name for name in SERVICES if name not in {"worker", "gateway"})  # those with a database
CALLING: Final = ("trigger", "lineage", "case")  # those that call another service in their own name
OWN: Final = {  # keys that one service alone has
    "auth": ("auth_key", "nats_callout_seed", "service_secrets"),
    "trigger": ("trigger_key",),
    "observer": ("observer_key",),
}
DERIVED: Final = ("nats_authorization.conf", "service_secrets")  # follow from the others and the code
MEMBER: Final = "mongo:27017"


def draw_password() -> str:
    """256 bits that need no quoting in a URL, a shell or a configuration file."""
    return secrets.token_urlsafe(32)


def draw_key_file() -> str:
    """A key file for mongod: base64 text, at most 1024 characters."""
    return base64.b64encode(secrets.token_bytes(512)).decode()


def draw_account_seed() -> str:
    """The nkey seed of the account whose signature NATS accepts from the auth service."""
    return str(nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_ACCOUNT).decode())


def draw_encryption_key() -> str:
    """A 256-bit key as base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def wanted() -> dict[str, Callable[[], str]]:
    """Every secret by file name, and how it is drawn."""
    table: dict[str, Callable[[], str]] = {
        "mongo_keyfile": draw_key_file,
        "mongo_root_password": draw_password,
        "grafana_admin_password": draw_password,
        "nats_callout_seed": draw_account_seed,
        "auth_key": draw_encryption_key,
        "trigger_key": draw_encryption_key,
        "observer_key": draw_encryption_key,
    }
    table |= {f"nats_password_{name}": draw_password for name in SERVICES}
    table |= {f"service_secret_{name}": draw_password for name in CALLING}
    table |= {f"mongo_url_{name}": lambda name=name: mongo_url(name) for name in KEEPING}  # type: ignore[misc]
    return table


def mongo_url(service: str) -> str:
    """The connection string of one service, whose user is named as its database."""
    return f"mongodb://tocsin_{service}:{draw_password()}@{MEMBER}/?replicaSet=rs0&authSource=admin"


def fill(folder: Path) -> list[str]:
    """Write what is missing; and anew what follows from it, the NATS users and what the auth service knows of the others.

    Returns:
        Names of the files that are new.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    new = [name for name in wanted() if not (folder / name).exists()]
    for name in new:
        put(folder / name, wanted()[name]())
    put(folder / "nats_authorization.conf", authorization(folder))
    put(folder / "service_secrets", service_secrets(folder))
    return new


def put(path: Path, text: str) -> None:
    """Write a file that only its owner can read; if root writes it, the owner is the containers' user."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    if os.geteuid() == 0:
        os.chown(temporary, CONTAINER_USER, CONTAINER_USER)
    temporary.replace(path)


def authorization(folder: Path) -> str:
    """The part of the NATS configuration that says who may come in, with the passwords of the services."""
    issuer = nkeys.from_seed((folder / "nats_callout_seed").read_bytes().strip()).public_key.decode()
    users = []
    for name in SERVICES:
        password = (folder / f"nats_password_{name}").read_text(encoding="utf-8").strip()
        users.append(f'{{ user: "{name}", password: "{password}", permissions: {{ {rights(permissions_of(name))} }} }}')
    lines = ["# Written by deploy/make-secrets; do not edit.", *who_may_come_in(users, issuer=issuer, names=SERVICES)]
    return "\n".join(lines) + "\n"


def service_secrets(folder: Path) -> str:
    """By which secret the auth service knows each service that calls another, as a JSON object."""
    return json.dumps({name: (folder / f"service_secret_{name}").read_text(encoding="utf-8").strip() for name in CALLING})


def rights(permissions: Permissions) -> str:
    """Permissions in the configuration language; responses to requests are always allowed."""
    sides = (("publish", permissions.publish), ("subscribe", permissions.subscribe))
    parts = [f"{side}: {{ allow: {json.dumps(subjects)} }}" for side, subjects in sides]  # a JSON list is one of NATS too
    return ", ".join((*parts, "allow_responses: true"))


def put_environment(path: Path, folder: Path) -> None:
    """Add what compose needs to `.env`, keeping every line that is there."""
    owner = (CONTAINER_USER, CONTAINER_USER) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    needed = {
        "COMPOSE_PROJECT_NAME": "tocsin",
        "TOCSIN_UID": str(owner[0]),
        "TOCSIN_GID": str(owner[1]),
        "TOCSIN_SECRETS": str(folder) if folder.is_absolute() else f"./{folder}",
    }
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    present = {line.partition("=")[0].strip() for line in lines}
    lines += [f"{name}={value}" for name, value in needed.items() if name not in present]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def of_service(service: str) -> dict[str, str]:
    """What a service finds in /run/secrets: the name there, and the file of the folder."""
    table = {"nats_password": f"nats_password_{service}"}
    if service in KEEPING:
        table["mongo_url"] = f"mongo_url_{service}"
    if service in CALLING:
        table["service_secret"] = f"service_secret_{service}"
    return table | {name: name for name in OWN.get(service, ())}


def kubernetes_secrets(folder: Path) -> str:
    """The manifests of the dev overlay's Secrets: one for each service, one for NATS, one for MongoDB."""
    mongo = ("mongo_keyfile", "mongo_root_password", *(f"mongo_url_{one}" for one in KEEPING))
    tables = {"nats": {"nats_authorization.conf": "nats_authorization.conf"}, "mongo": {name: name for name in mongo}}
    tables |= {service: of_service(service) for service in SERVICES}
    parts = []
    for name, table in tables.items():
        parts.append(manifest(f"tocsin-{name}", {key: (folder / file).read_bytes() for key, file in table.items()}))
    return "---\n".join(parts)


def manifest(name: str, table: dict[str, bytes]) -> str:
    """One Secret."""
    data = "".join(f"  {key}: {base64.b64encode(value).decode()}\n" for key, value in table.items())
    head = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  labels: {{app.kubernetes.io/part-of: tocsin}}\n"
    return f"{head}type: Opaque\ndata:\n{data}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0, or 1 with one sentence about what cannot be written or read."""
    parser = argparse.ArgumentParser(prog="deploy/make-secrets", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("deploy/secrets"), help="where the files are (deploy/secrets)")
    parser.add_argument("--env", type=Path, help="also add what compose needs to this file")
    parser.add_argument("--kubernetes", action="store_true", help="print the folder as Kubernetes Secrets instead")
    options = parser.parse_args(arguments)
    try:
        if options.kubernetes:
            print(kubernetes_secrets(options.folder), end="")
            return 0
        new = fill(options.folder)
        if options.env:
            put_environment(options.env, options.folder)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}.", file=sys.stderr)
        return 1
    print(f"{options.folder}: {len(new)} new secrets, the others kept; NATS users written for {', '.join(SERVICES)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
