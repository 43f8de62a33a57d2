"""``python -m tocsin_executor``: the executor as a process of its own."""

from tocsin_executor.wiring import SERVICE
from tocsin_kit.chassis import service_main

if __name__ == "__main__":
    service_main(SERVICE)
