"""Bodies that come compressed, where a route takes them: never more of one than the route's limit, whatever it says it is."""

import zlib

from tocsin.errors import Invalid
from tocsin_kit.web.reading import too_large

_GZIP = 16 + zlib.MAX_WBITS


def unzipped(body: bytes, limit: int) -> bytes:
    """What a gzip body holds.

    Args:
        body: As it came; at most ``limit`` bytes itself.
        limit: Bytes of what it may hold; no more than that is ever unpacked.

    Raises:
        TooLarge: It holds more.
        Invalid: It is no gzip, or not all of one.
    """
    unpacking = zlib.decompressobj(_GZIP)
    try:
        found = unpacking.decompress(body, limit + 1)
    except zlib.error as error:
        raise Invalid("the body is not gzip, which its Content-Encoding says") from error
    if len(found) > limit:
        raise too_large(limit, None)
    if not unpacking.eof or unpacking.unused_data:
        raise Invalid("the body is not one whole gzip")
    return found
