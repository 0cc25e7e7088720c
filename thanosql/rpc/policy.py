"""What each call needs: a table of every method that any of our servers has. What stands in no table is refused.

The tables below are the policy; a test walks the descriptors of the services and sees that no method is missing, and
another calls every method of running servers as everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from thanosql.errors import PermissionDenied
from thanosql.rpc.identity import Identity
from thanosql.types import Role


class Access(StrEnum):
    """Who may call, where that is no question of a role."""

    OPEN = "open"
    """Everybody, without a token: what says nothing of anybody's data."""
    PEER = "peer"
    """The services, who know the installation's secret."""


_OPEN = (
    # Probes carry no token, and the contract is public.
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
)

_USERS = {
    # What a text may do is a question of each of its statements (`query_service.language.statements`).
    "Execute": Role.READER,
    "Attach": Role.READER,
    # One's own statements; those of others need a writer.
    "Cancel": Role.READER,
    "Transcribe": Role.READER,
    "FindUploads": Role.WRITER,
    "Upload": Role.WRITER,
    "CreateToken": Role.ADMIN,
    "ListTokens": Role.ADMIN,
    "RevokeToken": Role.ADMIN,
}

_PEERS = {
    "CatalogService": (
        *("GetSnapshot", "Query", "QueryRelations", "CopyTable", "WriteTable", "ChangeTable", "DropTable"),
        *("RenameTable", "RenameColumn", "GetModel", "ReserveModelVersion", "RegisterModel", "DeleteModel"),
        *("CreateJob", "GetJob", "ListJobs", "ClaimJob", "RenewJobLease", "FinishJob", "ResumeJob"),
        *("LookupTranscripts", "StoreTranscripts", "CreateToken", "ListTokens", "RevokeToken", "CheckToken"),
    ),
    "TrainerService": (
        *("ListBaseModels", "ResolveBaseModel", "PlanTraining", "SubmitJob", "WatchJob", "CancelJob", "ResumeJob"),
        *("GetJobProgress", "ListDatasets", "GetDataset"),
    ),
    "InferenceService": ("Transcribe", "GetStatistics", "Estimate", "ExportModel"),
}

# The Open Inference Protocol knows no roles: its clients send the installation's secret.
_OPEN_INFERENCE = ("ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer", "ModelConfig", "ModelStatistics")

POLICY: Mapping[str, Access | Role] = {
    **dict.fromkeys(_OPEN, Access.OPEN),
    **{f"/thanosql.v1.QueryService/{method}": role for method, role in _USERS.items()},
    **{f"/thanosql.v1.{service}/{each}": Access.PEER for service, methods in _PEERS.items() for each in methods},
    **{f"/inference.GRPCInferenceService/{method}": Access.PEER for method in _OPEN_INFERENCE},
}
"""What each method needs, by its path."""


def is_open(method: str) -> bool:
    """Whether everybody may call it."""
    return POLICY.get(method) is Access.OPEN


def check_access(method: str, identity: Identity) -> None:
    """Returns where a call may be made.

    Raises:
        PermissionDenied: the caller is no service, or its role does not go so far, or the method is in no table.
    """
    needed = POLICY.get(method)
    if needed is Access.OPEN or (needed is Access.PEER and identity.is_peer):
        return
    if isinstance(needed, Role):
        check_role(identity, needed, method.rsplit("/", 1)[-1])
        return
    if needed is None:
        raise PermissionDenied(f"{method} may be called by nobody: it has no entry in the table of what calls need")
    raise PermissionDenied(
        f"{method} is for the services of the installation alone", hint="Users call the query service."
    )


def check_role(identity: Identity, needed: Role, what: str) -> None:
    """Returns where who calls has the role that `what` needs.

    Raises:
        PermissionDenied: the role does not go so far; says which does, and who can give it.
    """
    if identity.role.includes(needed):
        return
    raise PermissionDenied(
        f"{what} needs the role {needed.value}; the token {identity.name!r} has the role {identity.role.value}",
        hint=f"An administrator of the server gives such tokens: thanosql token create NAME --role {needed.value}.",
    )
