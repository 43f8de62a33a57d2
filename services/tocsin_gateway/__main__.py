"""``python -m tocsin_gateway``: the gateway as a process of its own."""

from tocsin_gateway.wiring import SERVICE
from tocsin_kit.chassis import service_main

if __name__ == "__main__":
    service_main(SERVICE)
