"""The overlays: valid for Kubernetes, locked down, and consistent with what the services read and listen on."""

from pathlib import Path

import kubernetes_validate
import pytest

from contract.deployment import environments, keys
from contract.deployment.manifests import (
    CUSTOM,
    OVERLAYS,
    ROOT,
    WORKLOADS,
    Manifest,
    containers,
    initial,
    label,
    named,
    of_kind,
    rendered,
)
from tocsin_kit.bus.permissions import SERVICES
from tocsin_kit.chassis import PORTS

VERSIONS = ("1.31", kubernetes_validate.latest_version())
RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True, "privileged": False}

every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


def workloads(overlay: str) -> list[Manifest]:
    return of_kind(overlay, *WORKLOADS)


def ours(overlay: str) -> list[Manifest]:
    return [one for one in workloads(overlay) if one["metadata"]["labels"].get("app.kubernetes.io/part-of") == "tocsin"]


def failures(overlay: str, check: object) -> list[str]:
    """Containers of an overlay that a check does not hold for."""
    assert callable(check)
    return [
        f"{label(workload)}: {container['name']}"
        for workload in workloads(overlay)
        for container in (*containers(workload), *initial(workload))
        if not check(container)
    ]


@every_overlay
@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_for_the_schemas_of_kubernetes(overlay: str, version: str) -> None:
    """Strictly: a field that Kubernetes does not know is an error, not ignored."""
    plain = [manifest for manifest in rendered(overlay) if manifest["kind"] not in CUSTOM]
    assert len(plain) > 50
    for manifest in plain:
        kubernetes_validate.validate(manifest, version, strict=True)


@every_overlay
def test_every_service_and_the_worker_is_deployed(overlay: str) -> None:
    """Each as a Deployment, with an account without a token, and a disruption budget."""
    assert {one["metadata"]["name"] for one in ours(overlay)} == set(SERVICES)
    for kind in ("PodDisruptionBudget", "Service"):
        assert {one["metadata"]["name"] for one in of_kind(overlay, kind)} >= set(SERVICES)
    accounts = {one["metadata"]["name"]: one for one in of_kind(overlay, "ServiceAccount")}
    for workload in workloads(overlay):
        pod = workload["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert accounts[pod["serviceAccountName"]]["automountServiceAccountToken"] is False


@every_overlay
def test_no_container_has_root_capabilities_or_a_place_to_write(overlay: str) -> None:
    """The restricted pod security standard, and a read-only root file system on top."""
    for workload in workloads(overlay):
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True, label(workload)
        assert pod["securityContext"]["runAsUser"] >= 10000, label(workload)
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, label(workload)
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), label(workload)
        assert [volume for volume in pod["volumes"] if "hostPath" in volume] == []
    assert failures(overlay, lambda one: RESTRICTED.items() <= one["securityContext"].items()) == []
    assert failures(overlay, lambda one: one["securityContext"]["capabilities"] == {"drop": ["ALL"]}) == []


@every_overlay
def test_every_container_has_limits(overlay: str) -> None:
    """Requests and limits of processor and memory, so that one cannot starve the others."""
    wanted = {"cpu", "memory"}
    assert (
        failures(overlay, lambda one: wanted <= one["resources"]["limits"].keys() & one["resources"]["requests"].keys()) == []
    )


@every_overlay
def test_every_container_is_probed(overlay: str) -> None:
    """Liveness never asks for readiness, or an outage of the database would restart everything."""
    for workload in workloads(overlay):
        for container in containers(workload):
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys(), label(workload)
    for workload in ours(overlay):
        probes = containers(workload)[0]
        assert probes["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "ops"}
        assert probes["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "ops"}


@every_overlay
def test_every_image_has_a_version(overlay: str) -> None:
    """Never the newest whatever it is."""
    assert failures(overlay, lambda one: ":" in one["image"] and not one["image"].endswith(":latest")) == []


@every_overlay
def test_every_port_of_a_service_is_one_of_its_pods(overlay: str) -> None:
    """By the selector: the pods it finds have a container port of the target's name, on the port the code listens on."""
    pods = [workload["spec"]["template"] for workload in workloads(overlay)]
    for service in of_kind(overlay, "Service"):
        selector = service["spec"]["selector"].items()
        found = [pod for pod in pods if selector <= pod["metadata"]["labels"].items()]
        assert len(found) == 1, label(service)
        ports = {port["name"]: port["containerPort"] for one in found[0]["spec"]["containers"] for port in one.get("ports", [])}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"], label(service)
        name = service["metadata"]["name"]
        if name in PORTS:
            assert ports["http"] == PORTS[name]


@every_overlay
def test_every_variable_is_a_setting_that_takes_the_value(overlay: str, tmp_path: Path) -> None:
    """Each container's environment is read by the code that will read it."""
    for name in keys.ALL:
        (tmp_path / name).write_text(keys.example(name), encoding="utf-8")
    for workload in ours(overlay):
        container = containers(workload)[0]
        environment = settings_of(overlay, container)
        environments.read(container["command"][-1], environment, tmp_path)
        assert environment["TOCSIN_NATS_USER"] == workload["metadata"]["name"]
        if "TOCSIN_HTTP_PORT" in environment:
            assert int(environment["TOCSIN_HTTP_PORT"]) == PORTS[workload["metadata"]["name"]]


def settings_of(overlay: str, container: Manifest) -> dict[str, str]:
    environment: dict[str, str] = {}
    for source in container.get("envFrom", []):
        environment |= named(overlay, "ConfigMap", source["configMapRef"]["name"])["data"]
    return environment | {one["name"]: one["value"] for one in container["env"]}


@every_overlay
def test_every_secret_file_that_is_named_is_in_the_secret_that_is_mounted(overlay: str) -> None:
    """`deploy/make-secrets --kubernetes` writes what the Deployments read; the manifests hold no secret."""
    assert of_kind(overlay, "Secret") == []
    for workload in ours(overlay):
        service = workload["metadata"]["name"]
        volumes = {volume["name"]: volume for volume in workload["spec"]["template"]["spec"]["volumes"]}
        assert volumes["secrets"]["secret"]["secretName"] == f"tocsin-{service}"
        environment = settings_of(overlay, containers(workload)[0])
        files = {Path(value).name for value in environment.values() if value.startswith("/run/secrets/")}
        assert files <= keys.of_service(service), label(workload)


@every_overlay
def test_nothing_may_talk_unless_a_policy_says_so(overlay: str) -> None:
    """Denied both ways by default, every pod of ours may reach the bus, and only the gateway takes calls from outside."""
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(overlay, "NetworkPolicy")}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert policies["bus"]["egress"][0]["ports"] == [{"port": 4222}]
    for name, spec in policies.items():
        if name == "default-deny":
            continue
        for rule in spec.get("ingress", []):
            assert rule["from"], name
            assert rule["ports"], name
    worldly = [name for name, spec in policies.items() if any(open_to_all(rule) for rule in spec.get("egress", []))]
    assert worldly == ["to-the-world"]


def open_to_all(rule: Manifest) -> bool:
    return "ports" not in rule or not rule.get("to")


@every_overlay
def test_what_scales_is_a_deployment_without_a_fixed_number(overlay: str) -> None:
    """An autoscaler and a `replicas` that disagree would fight at every apply."""
    for scaler in of_kind(overlay, "HorizontalPodAutoscaler"):
        target = named(overlay, "Deployment", scaler["spec"]["scaleTargetRef"]["name"])
        assert overlay == "dev" or "replicas" not in target["spec"]
        assert scaler["spec"]["minReplicas"] <= scaler["spec"]["maxReplicas"]


def test_in_production_only_the_gateway_is_exposed_and_only_with_tls() -> None:
    """One Ingress, one backend."""
    (ingress,) = of_kind("production", "Ingress")
    backends = {path["backend"]["service"]["name"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]}
    assert backends == {"gateway"}
    assert {host for tls in ingress["spec"]["tls"] for host in tls["hosts"]} == {
        rule["host"] for rule in ingress["spec"]["rules"]
    }
    assert {one["spec"].get("type", "ClusterIP") for one in of_kind("production", "Service")} == {"ClusterIP"}
    assert of_kind("production", "StatefulSet") == []


def test_in_production_the_bus_is_encrypted_and_replicated() -> None:
    """By URL, with three copies of each stream."""
    (settings,) = (one["data"] for one in of_kind("production", "ConfigMap") if "TOCSIN_NATS_URL" in one["data"])
    assert all(url.startswith("tls://") for url in settings["TOCSIN_NATS_URL"].split(","))
    assert settings["TOCSIN_NATS_REPLICAS"] == "3"


def test_the_monitors_find_every_service() -> None:
    """By label and port name."""
    monitor = named("production", "ServiceMonitor", "tocsin")["spec"]
    chosen = monitor["selector"]["matchLabels"].items()
    found = [one for one in of_kind("production", "Service") if chosen <= one["metadata"]["labels"].items()]
    assert {one["metadata"]["name"] for one in found} == set(SERVICES)
    for service in found:
        assert monitor["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_the_image_tag_is_the_version_of_the_project() -> None:
    """A release changes both."""
    version = next(
        line.split('"')[1]
        for line in (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
        if line.startswith("version = ")
    )
    for overlay in OVERLAYS:
        assert {containers(one)[0]["image"].rpartition(":")[2] for one in ours(overlay)} == {version}
