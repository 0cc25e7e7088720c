"""What the role of a caller allows: of statements, and of the statements of others."""

from __future__ import annotations

from collections.abc import Sequence

from query_service.language.source import Source
from query_service.language.statements import Statement
from query_service.running.status import QueryStatus
from thanosql.errors import PermissionDenied
from thanosql.rpc.identity import Identity
from thanosql.rpc.policy import check_role
from thanosql.types import Role


def check_statements(identity: Identity, source: Source, statements: Sequence[Statement]) -> None:
    """Returns where a caller may run every statement of a text.

    Raises:
        PermissionDenied: one needs another role, with its place; none of the text has run then.
    """
    for number, statement in enumerate(statements):
        try:
            check_role(identity, statement.ROLE, statement.KIND)
        except PermissionDenied as refusal:
            if len(statements) > 1:
                refusal.hint += (
                    f"\nThis is statement {number + 1} of {len(statements)}. Nothing of the text has been run."
                )
            raise source.placed(refusal, statement.at) from None


def check_may_stop(identity: Identity, query: QueryStatus) -> None:
    """Returns where a caller may stop a query: each his own, who changes things also those of others.

    Raises:
        PermissionDenied: it is another's.
    """
    if query.token != identity.token:
        check_role(identity, Role.WRITER, "stopping what others have started")
