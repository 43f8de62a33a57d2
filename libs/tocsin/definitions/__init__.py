"""Workflow definitions in the Open Workflow DSL: reading, positions, digests, and everything that can be wrong with one."""

from tocsin.definitions.document import Definition, digest, judged, load, parse, validate
from tocsin.definitions.reading import DefinitionInvalid, Value
from tocsin.definitions.starting import StartEvents, StartFilter, start_events

__all__ = [
    "Definition",
    "DefinitionInvalid",
    "StartEvents",
    "StartFilter",
    "Value",
    "digest",
    "judged",
    "load",
    "parse",
    "start_events",
    "validate",
]
