"""``python -m tocsin_lineage``: lineage as a process of its own."""

from tocsin_kit.chassis import service_main
from tocsin_lineage.wiring import SERVICE

if __name__ == "__main__":
    service_main(SERVICE)
