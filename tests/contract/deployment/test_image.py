"""The image: what its Dockerfile promises, as far as it can be read without building it (deploy/try-compose builds it)."""

import re

from contract.deployment.manifests import ROOT

DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
FINAL = DOCKERFILE.rpartition("\nFROM ")[2]


def versions(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / lock).read_text(encoding="utf-8"), flags=re.MULTILINE))


def test_it_runs_as_nobody_special_and_says_when_it_is_ready() -> None:
    """A numeric user, so that Kubernetes can tell that it is not root; a health check on the operations port."""
    assert re.search(r"^USER 10001:10001$", FINAL, flags=re.MULTILINE)
    assert "HEALTHCHECK" in FINAL


def test_its_base_is_an_argument_with_a_version() -> None:
    """Both stages stand on the same base, which is never the newest whatever it is."""
    assert re.search(r"^ARG BASE_IMAGE=python:3\.\d+[\w.-]+$", DOCKERFILE, flags=re.MULTILINE)
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE) == ["${BASE_IMAGE}", "${BASE_IMAGE}"]


def test_everything_installed_has_a_hash_and_nothing_is_compiled() -> None:
    """Every install and download is either from a hashed lock file or from what was downloaded so."""
    commands = re.findall(r"-m pip (?:--python \S+ )?(install|wheel)((?:[^&\n]|\\\n)*)", DOCKERFILE)
    assert len(commands) == 4
    for verb, rest in commands:
        assert "--require-hashes" in rest or "--no-deps" in rest, verb
    assert "apt" not in DOCKERFILE
    for lock in ("requirements.lock", "deploy/image/build.lock"):
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert text.count("==") <= text.count("--hash=sha256:")


def test_the_final_stage_brings_nothing_but_the_environment() -> None:
    """No pip, no sources, no compilers, no commands run as root."""
    assert not re.search(r"^(RUN|ADD)\b", FINAL, flags=re.MULTILINE)
    assert re.findall(r"^COPY .*$", FINAL, flags=re.MULTILINE) == ["COPY --from=build /opt/tocsin /opt/tocsin"]


def test_the_tools_of_the_build_are_those_of_the_embedded_lock() -> None:
    """One version of hatchling everywhere."""
    build, embedded = versions("deploy/image/build.lock"), versions("requirements-embedded.lock")
    assert {name: version for name, version in build.items() if name in embedded and embedded[name] != version} == {}


def test_nothing_gets_into_the_build_that_was_not_named() -> None:
    """No data folder, no secret, no history of the repository."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert not any("secrets" in rule for rule in rules if rule.startswith("!") and rule != "!deploy/secrets_folder.py")
