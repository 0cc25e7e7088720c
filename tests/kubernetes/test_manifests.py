"""The manifests for Kubernetes: valid, and of one mind with the images, the settings and the ports of the services."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog_service.config import CatalogConfig
from inference_service.config import InferenceConfig
from query_service.config import QueryConfig
from thanosql.configuration import FROM_FILE, ServiceConfig, variables
from trainer_service.config import TrainerConfig

FOLDERS = ("base", "overlays/gpu", "overlays/triton", "overlays/kserve")
CONFIGS: tuple[type[ServiceConfig], ...] = (CatalogConfig, TrainerConfig, InferenceConfig, QueryConfig)
OF_OTHERS = ("InferenceService",)
"""Kinds that Kubernetes itself does not know."""

Documents = list[dict[str, Any]]


def read(checkout: Path, folder: str) -> Documents:
    """All that `kubectl apply --kustomize` would send."""
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    if shutil.which("kubectl") is None:
        pytest.skip("needs kubectl, which works offline here")
    command = ["kubectl", "kustomize", str(checkout / "deploy" / "kubernetes" / folder)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return list(yaml.safe_load_all(built.stdout))


@pytest.fixture(scope="module", params=FOLDERS)
def documents(request: pytest.FixtureRequest, checkout: Path) -> Documents:
    return read(checkout, request.param)


@pytest.fixture(scope="module")
def base(checkout: Path) -> Documents:
    return read(checkout, "base")


def of_kind(documents: Documents, kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in documents if each["kind"] == kind}


def pods(documents: Documents) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, each in of_kind(documents, "Deployment").items():
        yield name, each["spec"]["template"]


def environment(documents: Documents) -> dict[str, str]:
    (settings,) = of_kind(documents, "ConfigMap").values()
    data: dict[str, str] = settings["data"]
    return data


def test_every_manifest_is_as_kubernetes_wants_it(documents: Documents) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="needs the package kubernetes-validate")
    for each in documents:
        if each["kind"] not in OF_OTHERS:
            validate.validate(each, "1.31", strict=True)


def test_no_pod_has_rights_that_it_does_not_need(documents: Documents) -> None:
    for _, pod in pods(documents):
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        assert pod["spec"]["automountServiceAccountToken"] is False
        for container in pod["spec"]["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]


def test_whatever_a_pod_mounts_exists(documents: Documents) -> None:
    claims = of_kind(documents, "PersistentVolumeClaim")
    for _, pod in pods(documents):
        volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
        mounted = [mount for container in pod["spec"]["containers"] for mount in container["volumeMounts"]]
        assert {each["name"] for each in mounted} == set(volumes)
        assert len({each["mountPath"] for each in mounted}) == len(mounted)
        for each in volumes.values():
            if "persistentVolumeClaim" in each:
                assert each["persistentVolumeClaim"]["claimName"] in claims


def test_only_the_catalog_sees_the_passwords_of_the_database(base: Documents) -> None:
    for name, pod in pods(base):
        keys = {
            item["key"] for volume in pod["spec"]["volumes"] if "secret" in volume for item in volume["secret"]["items"]
        }
        assert keys == ({"token", "metadata_url", "tables_url"} if name == "catalog" else {"token"})


def test_every_service_is_probed_and_found_at_its_port(base: Documents) -> None:
    services = of_kind(base, "Service")
    templates = dict(pods(base))
    for config in CONFIGS:
        name, port = config.service, config().port
        (container,) = templates[name]["spec"]["containers"]
        assert container["args"] == ["serve", name]
        assert {each["name"]: each["containerPort"] for each in container["ports"]}["grpc"] == port
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["grpc"]["port"] == port
        assert services[name]["spec"]["selector"] == {"app": name}
        assert services[name]["spec"]["ports"][0]["port"] == port


def test_pods_have_more_time_to_end_than_calls(base: Documents) -> None:
    for _, pod in pods(base):
        assert pod["spec"]["terminationGracePeriodSeconds"] > ServiceConfig(port=0).grace + 5


def test_the_images_are_those_of_the_dockerfile(documents: Documents, checkout: Path) -> None:
    file = checkout / "Dockerfile"
    targets = [line.split()[-1] for line in file.read_text("utf-8").splitlines() if line.startswith("FROM ")]
    for name, pod in pods(documents):
        if name == "triton":
            continue
        (container,) = pod["spec"]["containers"]
        image = container["image"].split(":")[0]
        assert image == ("thanosql-trainer" if name == "trainer" else "thanosql-service")
        assert image.removeprefix("thanosql-") in targets


def test_every_setting_exists(documents: Documents) -> None:
    known = {name for config in CONFIGS for each in config.__dataclass_fields__ for name in variables(config, each)}
    inline = [
        each["name"]
        for _, pod in pods(documents)
        for container in pod["spec"]["containers"]
        for each in container.get("env", ())
    ]
    for name in (*environment(documents), *inline):
        assert name == "TMPDIR" or name.removesuffix(FROM_FILE) in known, name


def test_the_query_service_finds_every_replica(documents: Documents) -> None:
    address = environment(documents)["THANOSQL_QUERY_INFERENCE"]
    host, port = address.removeprefix("oip://").removeprefix("dns:///").split(":")
    assert "dns:///" in address
    services = of_kind(documents, "Service")
    if host in services:
        assert services[host]["spec"]["clusterIP"] == "None"
        assert services[host]["spec"]["ports"][0]["port"] == int(port)
    else:
        assert host == next(iter(of_kind(documents, "InferenceService"))) + "-predictor"
    policies = of_kind(documents, "NetworkPolicy")
    (rule,) = policies[host.removesuffix("-predictor")]["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": int(port)}]


def test_inner_services_are_reached_by_their_peers_alone(base: Documents) -> None:
    policies = of_kind(base, "NetworkPolicy")
    assert policies["nobody"]["spec"]["podSelector"] == {}
    assert "ingress" not in policies["nobody"]["spec"]
    for name in ("catalog", "trainer", "inference"):
        for rule in policies[name]["spec"]["ingress"]:
            assert all(set(peer) == {"podSelector"} for peer in rule["from"])
