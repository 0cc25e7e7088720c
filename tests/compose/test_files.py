"""What the files of the containers promise, read from them; whether they keep it is for test_stack to see."""

from __future__ import annotations

import importlib.util
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

SERVICES = ("catalog", "trainer", "inference", "query")


@pytest.fixture(scope="module")
def compose(checkout: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((checkout / "compose.yaml").read_text("utf-8")))


@pytest.fixture(scope="module")
def requirements(checkout: Path) -> Callable[..., list[str]]:
    """What deploy/image/requirements.py chooses of the project's extras."""
    specification = importlib.util.spec_from_file_location("requirements", checkout / "deploy/image/requirements.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    project = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))
    return lambda *extras, device: module.requirements(project, extras, device)


def test_every_container_is_bounded_checked_and_without_rights(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"cpus", "mem_limit", "pids_limit", "healthcheck", "restart"} <= set(service), name


def test_only_query_has_a_port_and_only_it_and_the_trainer_a_way_outside(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["query"]
    assert [name for name, service in services.items() if "outside" in service["networks"]] == ["trainer", "query"]
    assert compose["networks"]["inside"]["internal"]


def test_every_service_waits_until_what_it_needs_is_healthy(compose: dict[str, Any]) -> None:
    for name in SERVICES:
        needs = compose["services"][name]["depends_on"]
        assert needs, name
        assert all(need["condition"] == "service_healthy" for need in needs.values()), name


def test_no_password_stands_in_the_environment(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for variable in service["environment"]:
            if any(word in variable for word in ("TOKEN", "PASSWORD", "DATABASE", "TABLES")):
                assert variable.endswith("_FILE"), f"{name}: {variable}"


def test_an_image_for_cpus_has_their_build_of_the_engine_and_no_torch(requirements: Callable[..., list[str]]) -> None:
    chosen = requirements("catalog", "query", "inference", device="cpu")
    assert [each for each in chosen if each.startswith("onnxruntime")] == ["onnxruntime>=1.23"]
    assert not [each for each in chosen if each.startswith("torch")]


def test_an_image_for_gpus_has_cuda_for_the_engine(requirements: Callable[..., list[str]]) -> None:
    chosen = requirements("inference", device="gpu")
    assert [each for each in chosen if each.startswith("onnxruntime")] == ["onnxruntime-gpu[cuda,cudnn]>=1.23"]


def test_an_extra_that_does_not_exist_is_named_with_those_that_do(requirements: Callable[..., list[str]]) -> None:
    with pytest.raises(SystemExit, match=r"no extra 'trainr'; it has .*trainer"):
        requirements("trainr", device="cpu")
