"""``python -m tocsin_observer``: the observer as a process of its own."""

from tocsin_kit.chassis import service_main
from tocsin_observer.wiring import SERVICE

if __name__ == "__main__":
    service_main(SERVICE)
