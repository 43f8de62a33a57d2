"""``python -m tests.conformance``: run all suites, one JSON line each; exit 1 if anything failed."""

import sys

from tests.conformance.cesql import cesql
from tests.conformance.ctk import ctk
from tests.conformance.documents import documents
from tests.conformance.live import kit, own
from tests.conformance.suites import Suite, standards

SUITES: list[Suite] = [documents, ctk, cesql, kit, own]


def main() -> int:
    """Run the suites named on the command line, or all."""
    folder = standards()
    if folder is None:
        print("the folder of standards is absent; name it in TOCSIN_STANDARDS", file=sys.stderr)
        return 0
    failed = False
    for suite in SUITES:
        if sys.argv[1:] and suite.__name__ not in sys.argv[1:]:
            continue
        outcome = suite(folder)
        print(outcome.line(), flush=True)
        for reason in outcome.failed:
            print(f"  {reason}", file=sys.stderr)
        failed = failed or bool(outcome.failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
