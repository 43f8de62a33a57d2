"""The secrets that `deploy/make-secrets` makes: the module itself, loaded from its file, since `deploy/` is no package."""

import base64
import importlib.util
from types import ModuleType

from contract.deployment.manifests import ROOT


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("secrets_folder", ROOT / "deploy/secrets_folder.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKER = _loaded()
ALL = frozenset({*MAKER.wanted(), *(name for service in MAKER.SERVICES for name in MAKER.of_service(service))})


def of_service(service: str) -> frozenset[str]:
    """Names of the files that a service finds in /run/secrets."""
    return frozenset(MAKER.of_service(service))


def example(name: str) -> str:
    """A value of the right shape."""
    if name == "service_secrets":
        return '{"trigger": "one", "case": "another"}'
    draw = MAKER.wanted().get(name)
    return str(draw()) if draw else base64.b64encode(b"x" * 32).decode()
