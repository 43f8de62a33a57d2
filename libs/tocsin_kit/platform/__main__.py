"""``python -m tocsin_kit.platform up``: see :mod:`tocsin_kit.platform.command`."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older one deserves a sentence, not a traceback
    sys.exit(f"Tocsin needs Python 3.11 or newer; this is {sys.version.split()[0]}.")

try:
    from tocsin_kit.platform.command import main

    code = main(sys.argv[1:])
except KeyboardInterrupt:  # while this was loaded
    code = 130
sys.exit(code)
