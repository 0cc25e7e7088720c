"""`thanosql token`: gives, lists and revokes tokens."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from thanosql.commands.arguments import add_address
from thanosql.types import Role, TokenInfo

if TYPE_CHECKING:
    from thanosql.tokens import NewToken, Tokens

DESCRIPTION = """Gives, lists and revokes the tokens with which colleagues connect.

  thanosql token create kim --role writer     prints a secret, this once
  thanosql token list
  thanosql token revoke kim

For administrators: with an administrator's token (THANOSQL_API_TOKEN), or in the folder of services of your own.
Roles: reader (reads, listens, transcribes), writer (changes tables, models and files too), admin (gives tokens too)."""


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the command."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(dest="action", required=True, metavar="{create,list,revoke}")
    create = actions.add_parser("create", help="make a token, and print its secret")
    create.add_argument("name", metavar="NAME", help="whose it is, or what for")
    create.add_argument("--role", choices=list(Role), default=Role.READER, help="default: reader")
    create.add_argument("--workspace", default="", metavar="NAME", help="of the server; default: the first, default")
    create.add_argument("--expires", default="90d", metavar="SPAN", help="12h, 90d, never (default: 90d)")
    listing = actions.add_parser("list", help="show all tokens, revoked ones too")
    listing.add_argument("--workspace", default="", metavar="NAME", help="of one workspace of the server only")
    listing.add_argument("--json", action="store_true", help="print one JSON object a line")
    revoke = actions.add_parser("revoke", help="end a token")
    revoke.add_argument("token", metavar="TOKEN", help="its name, or its id or the first characters of that")
    for each in (create, listing, revoke):
        add_address(each)
        each.add_argument("--folder", type=Path, help="that of services of one's own [THANOSQL_WORKSPACE]")


def run(options: argparse.Namespace) -> int:
    """Does it, and says what was done."""
    from thanosql.connection import connect

    actions = {"create": _create, "list": _list, "revoke": _revoke}
    with connect(options.address, workspace=options.folder, tls=options.tls or None, ca=options.ca) as session:
        actions[options.action](session.tokens, options)
    return 0


def _create(tokens: Tokens, options: argparse.Namespace) -> None:
    new = tokens.create(options.name, options.role, workspace=options.workspace, expires=options.expires)
    # Alone on the standard output, for scripts.
    print(new.secret)
    print(_how_to_use(new), file=sys.stderr)


def _how_to_use(new: NewToken) -> str:
    info = new.info
    until = f"until {_day(info.expires_at)}" if info.expires_at else "until it is revoked"
    return f"""
This is the secret of the token {info.name!r}: {info.role}, workspace {info.workspace}, {until}.
It is shown this once. It is used so:

  in Python       thanosql.connect("host:8470", token="…")
  in a notebook   %thanosql API_TOKEN='…'
  in a shell      export THANOSQL_API_TOKEN=…

End it with: thanosql token revoke {info.id}"""


def _list(tokens: Tokens, options: argparse.Namespace) -> None:
    from thanosql.tokens import describe_state

    states = [(each, describe_state(each)) for each in tokens.list(options.workspace)]
    if options.json:
        for token, state in states:
            print(json.dumps({**asdict(token), "state": state}, default=str, ensure_ascii=False))
    else:
        print(*_columns(states), sep="\n")


def _columns(states: list[tuple[TokenInfo, str]]) -> list[str]:
    rows = [("id", "name", "role", "workspace", "state", "expires", "used")]
    for token, state in states:
        days = _day(token.expires_at), _day(token.used_at)
        rows.append((token.id, token.name, token.role, token.workspace, state, *days))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _revoke(tokens: Tokens, options: argparse.Namespace) -> None:
    info = tokens.revoke(options.token)
    print(f"The token {info.name!r} ({info.id}) is revoked. Statements of its that run go on: CANCEL JOB stops them.")


def _day(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC") if moment else "never"
