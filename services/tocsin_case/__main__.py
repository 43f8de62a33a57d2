"""``python -m tocsin_case``: the case service as a process of its own."""

from tocsin_case.wiring import SERVICE
from tocsin_kit.chassis import service_main

if __name__ == "__main__":
    service_main(SERVICE)
