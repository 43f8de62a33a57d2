"""Runs the auth service: ``python -m tocsin_auth``."""

from tocsin_auth.wiring import SERVICE
from tocsin_kit.chassis import service_main

if __name__ == "__main__":
    service_main(SERVICE)
