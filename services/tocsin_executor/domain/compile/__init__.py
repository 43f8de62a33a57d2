"""Open Workflow documents to programs: the one door to the compiler.

A document that comes here has passed ``tocsin.definitions.validate``, which knows the language. This package knows the engine:
it maps constructs to operations, and refuses by name what the runtime around the engine does not offer yet.
"""

from tocsin_executor.domain.compile.builder import NOT_OFFERED, Offered
from tocsin_executor.domain.compile.document import compile_workflow

__all__ = ["NOT_OFFERED", "Offered", "compile_workflow"]
