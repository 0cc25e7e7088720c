"""`thanosql doctor`: looks at what an installation needs, and says what to do about what is wrong."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thanosql.commands.arguments import add_workspace
from thanosql.commands.serve import SERVICES

if TYPE_CHECKING:
    from thanosql.configuration import ServiceConfig
    from thanosql.findings import Finding


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the command."""
    parser.description = (
        "Looks at Python, packages, ports, folders, the metadata database, the model store, GPU, hub and certificates, "
        "with the settings that the services would have here, and changes nothing. Ends with 1 where something will "
        "not work."
    )
    parser.add_argument("services", nargs="*", choices=[*SERVICES, []], metavar="SERVICE", help="which; default: all")
    add_workspace(parser)
    parser.add_argument("--state", type=Path, metavar="FOLDER", help="folder for tables and models")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(options: argparse.Namespace) -> int:
    """Prints what is found as it is found; 1 where there is a fault."""
    from thanosql.findings import Level
    from thanosql.tables import count

    given = {name: getattr(options, name) for name in ("workspace", "state") if getattr(options, name) is not None}
    if "workspace" in given and "state" not in given:
        from thanosql.workspace import STATE_FOLDER

        given["state"] = given["workspace"] / STATE_FOLDER
    counts = dict.fromkeys(Level, 0)
    for place, findings in examine_all(options.services or SERVICES, given):
        if not options.json:
            print(place)
        for finding in findings:
            counts[finding.level] += 1
            _print(place, finding, as_json=options.json)
    if not options.json:
        said = ", ".join(count(counts[level], level.value) for level in (Level.FAULT, Level.NOTE))
        print(f"\n{said}, {counts[Level.FINE]} are fine")
    return 1 if counts[Level.FAULT] else 0


def examine_all(services: Iterable[str], given: dict[str, Any]) -> Iterator[tuple[str, Iterator[Finding]]]:
    """The findings about the machine, and about each service.

    Args:
        services: Their names.
        given: Settings that win over the environment.
    """
    from thanosql.findings import examine_machine

    yield "this machine", examine_machine()
    for service in services:
        yield f"{service}_service", _examine_service(service, given)


def _examine_service(service: str, given: dict[str, Any]) -> Iterator[Finding]:
    from importlib import import_module

    from thanosql.findings import examine_port, fault

    try:
        config_type: type[ServiceConfig] = getattr(
            import_module(f"{service}_service.config"), f"{service.capitalize()}Config"
        )
        config = config_type.from_env(**given)
    except ValueError as error:
        yield fault("settings", str(error), f"thanosql serve {service} --help shows what each takes.")
        return
    yield from examine_port(config)
    try:
        doctor = import_module(f"{service}_service.doctor")
        yield from doctor.examine(config)
    except ModuleNotFoundError as error:
        yield fault(
            "packages", f"{error.name} is not installed", f"pip install 'thanosql-speech[{service}]', or [all]."
        )


_MARKS = {"fine": "  ok   ", "note": "  note ", "fault": "  FAULT"}


def _print(place: str, finding: Finding, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"place": place, **asdict(finding)}, ensure_ascii=False), flush=True)
        return
    print(f"{_MARKS[finding.level]} {finding.subject}: {finding.text}")
    if finding.advice:
        print(f"         → {finding.advice}")
    sys.stdout.flush()
