"""Makes a fresh mongod with a key file into a replica set of one, with a user for each service that may use its database only.

For compose and the dev overlay; production brings its own MongoDB. Runs beside mongod in the same network namespace, because
MongoDB lets the first user be made from localhost only. Repeating it is harmless: users get the passwords of the secrets again,
so it is also how passwords are rotated. It never deletes anything and prints no secret. With `--stay` it then waits for
SIGTERM, as a container of a pod must, with the file `/tmp/initiated` as the sign that it is done.

Files in the secrets folder, as `deploy/make-secrets` writes them: `mongo_root_password`, and `mongo_url_<service>` for each
service.
"""

import os
import signal
import sys
import time
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

ADDRESS = "mongodb://127.0.0.1:27017/?directConnection=true&serverSelectionTimeoutMS=2000&connectTimeoutMS=2000"
ALREADY_INITIALIZED = 23
USER_EXISTS = 51003


def main() -> int:
    """Returns 0 when the set has a primary and every user exists; 1 with one sentence otherwise."""
    folder = Path(os.environ.get("SECRETS", "/run/secrets"))
    member = os.environ.get("MONGO_MEMBER", "mongo:27017")
    deadline = time.monotonic() + float(os.environ.get("MONGO_WAIT", "120"))
    try:
        password = (folder / "mongo_root_password").read_text(encoding="utf-8").strip()
        urls = {
            path.name.removeprefix("mongo_url_"): path.read_text(encoding="utf-8").strip()
            for path in folder.glob("mongo_url_*")
        }
    except OSError as error:
        print(f"The secrets cannot be read: {error}", file=sys.stderr)
        return 1
    while True:
        try:
            ensure(password, urls, member)
        except (AutoReconnect, OperationFailure, PyMongoError) as error:
            if time.monotonic() > deadline:
                print(f"MongoDB is not initiated: {type(error).__name__}: {error}", file=sys.stderr)
                return 1
            time.sleep(0.5)  # an election takes a moment, and a starting mongod refuses connections
        else:
            print(f"MongoDB is a replica set with {member} and has the users of {', '.join(urls)}", flush=True)
            return 0


def ensure(password: str, urls: dict[str, str], member: str) -> None:
    """One try: replica set, root user, service users.

    Raises:
        PyMongoError: Something is not there yet, or refused; try again.
    """
    with connect(password) as client:
        try:
            config = {"_id": "rs0", "members": [{"_id": 0, "host": member}]}
            client.admin.command("replSetInitiate", config)
        except OperationFailure as error:
            if error.code != ALREADY_INITIALIZED:
                raise
        if not client.admin.command("hello").get("isWritablePrimary"):
            raise AutoReconnect("there is no primary yet")
        put_user(client, "root", password, [{"role": "root", "db": "admin"}])
    with connect(password) as client:
        for url in urls.values():
            parts = parse_uri(url)
            name = parts["username"]
            put_user(client, name, parts["password"], [{"role": "readWrite", "db": name}])


def connect(password: str) -> MongoClient[dict[str, object]]:
    """Returns a client that is root, or nobody yet where no user was made."""
    client: MongoClient[dict[str, object]] = MongoClient(ADDRESS, username="root", password=password, authSource="admin")
    try:
        client.admin.command("ping")
    except OperationFailure:
        client.close()
        client = MongoClient(ADDRESS)
        client.admin.command("ping")
    return client


def put_user(client: MongoClient[dict[str, object]], name: str, password: str, roles: list[dict[str, str]]) -> None:
    """Makes the user, or gives it this password and these roles."""
    try:
        client.admin.command("createUser", name, pwd=password, roles=roles)
    except OperationFailure as error:
        if error.code != USER_EXISTS:
            raise
        client.admin.command("updateUser", name, pwd=password, roles=roles)


def stay() -> None:
    """Say that it is done, and wait for SIGTERM."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    Path("/tmp/initiated").touch()
    while True:
        signal.pause()


if __name__ == "__main__":
    result = main()
    if result == 0 and "--stay" in sys.argv[1:]:
        stay()
    sys.exit(result)
