"""Asks the operations port of this container whether the service is ready; the exit code is the answer.

Only the standard library, and few modules of it, because it starts anew every few seconds. Kubernetes asks the port itself and
does not need this. It never looks at anything but the port.
"""

import http.client
import os
import sys


def main() -> int:
    """Returns 0 when `/readyz` answers 200; otherwise 1, with the answer on standard output for `docker inspect`."""
    port = int(os.environ.get("TOCSIN_OPS_PORT", "7790"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read(2000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer on the operations port {port}: {error}")
        return 1
    finally:
        connection.close()
    print(answer.status, body)
    return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
