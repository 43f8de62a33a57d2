"""``python -m tocsin_scheduler``: the scheduler as a process of its own."""

from tocsin_kit.chassis import service_main
from tocsin_scheduler.wiring import SERVICE

if __name__ == "__main__":
    service_main(SERVICE)
