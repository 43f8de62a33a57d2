"""Files that describe triggers and schedules: YAML 1.2 or JSON, several documents in one file."""

from collections.abc import Iterator

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tocsin.cli.output import read_file
from tocsin.client import Record
from tocsin.errors import Invalid


def read(files: list[str], kind: str) -> Iterator[tuple[str, Record]]:
    """The documents in the files, with the name of the file.

    Raises:
        Invalid: A file cannot be read, is not YAML, or a document in it has no name.
    """
    for name in files:
        text = read_file(name, f"the {kind}")
        try:
            documents = list(YAML(typ="safe", pure=True).load_all(text))
        except YAMLError as exc:
            raise Invalid(f"{name} is not YAML: {' '.join(str(exc).split())}") from exc
        for document in documents:
            if document is None:
                continue
            if not isinstance(document, dict) or not isinstance(document.get("name"), str):
                raise Invalid(f"{name}: a {kind} is a mapping with a name")
            yield name, document
