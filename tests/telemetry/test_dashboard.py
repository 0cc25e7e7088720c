"""The dashboard and the alert rules ask for metrics that running services have, in queries that Prometheus takes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.telemetry.conftest import Observed
from tests.telemetry.pages import Page, written_by

NAME = re.compile(r"\b(?:thanosql|nv_inference|process)_[a-z_]+")
GROUPED = re.compile(r"by \(([a-z, ]+)\)")
SELECTED = re.compile(r"([a-z_]+)\{([^}]*)\}")
FROM_PROMETHEUS = {"job", "instance", "le"}
"""Labels that the scrape, or the kind of the metric, gives."""


@pytest.fixture(scope="module")
def dashboard(checkout: Path) -> dict[str, Any]:
    file = checkout / "deploy" / "grafana" / "dashboard.json"
    read: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return read


@pytest.fixture(scope="module")
def rules(checkout: Path) -> str:
    return (checkout / "deploy" / "prometheus" / "alerts.yml").read_text("utf-8")


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


def test_the_dashboard_is_what_its_script_writes(checkout: Path) -> None:
    folder = checkout / "deploy" / "grafana"
    written = (folder / "dashboard.json").read_text("utf-8")
    assert written == written_by(folder / "write_dashboard.py"), "run python deploy/grafana/write_dashboard.py"


def test_the_dashboard_has_what_grafana_asks_of_one(dashboard: dict[str, Any]) -> None:
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= set(dashboard)
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies over another panel"
        assert max(x for x, _ in cells) < 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["targets"]
            assert panel["description"]
            assert panel["datasource"]["uid"] == "${source}"
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert [each["name"] for each in dashboard["templating"]["list"]] == ["source"]


def test_every_metric_of_dashboard_and_rules_is_on_the_page_of_a_running_service(
    observed: Observed, dashboard: dict[str, Any], rules: str
) -> None:
    asked = set(NAME.findall(" ".join(expressions(dashboard)))) | set(NAME.findall(rules))
    page = Page(*observed.running.metrics().values())
    # A training's are there while there is one: `test_metrics` sees them then.
    of_trainings = {name for name in asked if name.startswith("thanosql_training_")}
    assert of_trainings <= page.declared
    assert page.missing(asked - of_trainings) == set()
    assert len(asked) > 30


def test_every_label_that_is_asked_for_is_one_of_its_metric(
    observed: Observed, dashboard: dict[str, Any], rules: str
) -> None:
    page = Page(*observed.running.metrics().values())
    for text in (*expressions(dashboard), *rules.splitlines()):
        names = [name for name in NAME.findall(text) if page.has(name)]
        for group in GROUPED.findall(text):
            wanted = {label.strip() for label in group.split(",")} - FROM_PROMETHEUS
            assert all(wanted <= page.labels[name] for name in names), text
        for name, selectors in SELECTED.findall(text):
            wanted = set(re.findall(r"([a-z_]+)[=!]", selectors)) - FROM_PROMETHEUS
            assert not page.has(name) or wanted <= page.labels[name], text


def test_prometheus_in_compose_scrapes_the_services_of_compose_and_finds_its_files(checkout: Path) -> None:
    services = yaml.safe_load((checkout / "compose.yaml").read_text("utf-8"))["services"]
    beside = yaml.safe_load((checkout / "compose.observability.yaml").read_text("utf-8"))["services"]
    scrapes = yaml.safe_load((checkout / "deploy" / "prometheus" / "prometheus.yml").read_text("utf-8"))
    jobs = {each["job_name"] for each in scrapes["scrape_configs"]}
    assert jobs == set(beside) - {"prometheus", "grafana", "jaeger"} == set(services) - {"postgres"}
    for service in beside.values():
        files = [each.split(":")[0] for each in service.get("volumes", ()) if each.startswith("./")]
        assert all((checkout / file).exists() for file in files)


@pytest.fixture(scope="module")
def promtool() -> str:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("needs promtool: apt-get install prometheus")
    return program


def test_prometheus_takes_the_configuration_and_the_rules(promtool: str, checkout: Path) -> None:
    file = checkout / "deploy" / "prometheus" / "prometheus.yml"
    run = subprocess.run([promtool, "check", "config", str(file)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_prometheus_takes_every_query_of_the_dashboard(
    promtool: str, dashboard: dict[str, Any], tmp_path: Path
) -> None:
    recorded = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(expressions(dashboard))
    ]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": recorded}]}), "utf-8")  # JSON is YAML
    run = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(recorded)} rules found" in run.stdout
