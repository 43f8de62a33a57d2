"""Workflow definitions in the Open Workflow DSL: reading, positions, digests, and everything that can be wrong with one."""

from tocsin.definitions.document import Definition, digest, load, parse, validate
from tocsin.definitions.reading import DefinitionInvalid, Value

__all__ = ["Definition", "DefinitionInvalid", "Value", "digest", "load", "parse", "validate"]
