"""``python -m tocsin_trigger`` runs the service."""

from tocsin_kit.chassis import service_main
from tocsin_trigger.wiring import SERVICE

if __name__ == "__main__":
    service_main(SERVICE)
