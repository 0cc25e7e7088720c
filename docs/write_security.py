"""Writes the tables of docs/security.md from the code: `python docs/write_security.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import query_service.language.statements as statements
from thanosql.rpc.policy import POLICY, Access
from thanosql.types import Role

FILE = Path(__file__).with_name("security.md")
BETWEEN = re.compile(r"(<!-- tables: .*? -->\n).*?(<!-- end of the tables -->)", re.DOTALL)


def text() -> str:
    """The whole page, with the tables of today's code."""
    tables = "\n".join((*_roles(), "", *_calls()))
    return BETWEEN.sub(lambda found: f"{found[1]}\n{tables}\n\n{found[2]}", FILE.read_text("utf-8"))


def _roles() -> Iterator[str]:
    kinds = {each: getattr(statements, each) for each in statements.__all__ if each != "Statement"}
    yield "| role | statements | calls of the query service |"
    yield "|---|---|---|"
    for role in Role:
        own = sorted({each.KIND for each in kinds.values() if role is each.ROLE})
        calls = sorted(path.rsplit("/", 1)[1] for path, needed in POLICY.items() if needed is role)
        before = "" if role is Role.READER else f"those of a {list(Role)[list(Role).index(role) - 1]}"
        yield f"| {role} | {', '.join(filter(None, [before, *own]))} | {', '.join(calls)} |"


def _calls() -> Iterator[str]:
    yield "| who | may call |"
    yield "|---|---|"
    for access, who in ((Access.OPEN, "everybody"), (Access.PEER, "services, with the installation's secret")):
        services: dict[str, set[str]] = {}
        for path, needed in POLICY.items():
            if needed is access:
                service, method = path.strip("/").split("/")
                services.setdefault(service.split(".")[-1], set()).add(method)
        listed = "; ".join(f"{service}: {', '.join(sorted(methods))}" for service, methods in services.items())
        yield f"| {who} | {listed} |"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
