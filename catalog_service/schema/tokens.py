"""The rows of the tokens: each method is one transaction around a decision of `catalog_service.tokens`."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from catalog_service import tokens as rules
from catalog_service.schema.database import Database
from catalog_service.schema.definitions import tokens
from thanosql.token_secrets import hash_secret, make_secret
from thanosql.types import Role, TokenInfo


class Tokens:
    """Every token that was given, revoked and expired ones too; of a secret only its hash."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, role: Role, workspace: str, seconds: float, now: datetime) -> tuple[TokenInfo, str]:
        """A new token and its secret, which nobody can be told again.

        Raises:
            DataError, InvalidOption: see `catalog_service.tokens.make_token`.
        """
        secret = make_secret()
        token = rules.make_token(secrets.token_hex(6), name, role, workspace, seconds, now)
        with self._database.write() as connection:
            values = asdict(token) | {"role": role.value, "hash": hash_secret(secret)}
            connection.execute(sa.insert(tokens).values(values))
        return token, secret

    def newest_first(self, workspace: str = "") -> tuple[TokenInfo, ...]:
        """The tokens of a workspace, or of all."""
        query = sa.select(tokens).order_by(tokens.c.created_at.desc(), tokens.c.id)
        if workspace:
            query = query.where(tokens.c.workspace == workspace)
        with self._database.read() as connection:
            return tuple(_token(row._mapping) for row in connection.execute(query))

    def revoke(self, text: str, now: datetime) -> TokenInfo:
        """Ends a token, which its id, the beginning of that, or its name tells; one that has ended stays as it is.

        Raises:
            NotFound: there is none, or more than one.
        """
        with self._database.write() as connection:
            known = [_token(row._mapping) for row in connection.execute(sa.select(tokens))]
            token = rules.find_meant(text, known)
            if token.revoked_at is None:
                token = replace(token, revoked_at=now)
                connection.execute(sa.update(tokens).where(tokens.c.id == token.id).values(revoked_at=now))
            return token

    def check(self, secret: str, now: datetime) -> TokenInfo:
        """Whose a secret is; about when it was used is written down.

        Raises:
            Unauthenticated: nobody's, or it has expired or was revoked.
        """
        hashed = hash_secret(secret)
        with self._database.read() as connection:
            row = connection.execute(sa.select(tokens).where(tokens.c.hash == hashed)).one_or_none()
        # The index compares byte by byte, and its time tells something of a hash that nobody can aim at; what decides
        # compares in constant time all the same.
        is_known = row is not None and hmac.compare_digest(row.hash, hashed)
        token = rules.check(_token(row._mapping) if row is not None and is_known else None, now)
        if rules.is_use_news(token, now):
            with self._database.write() as connection:
                connection.execute(sa.update(tokens).where(tokens.c.id == token.id).values(used_at=now))
        return token


def _token(row: Any) -> TokenInfo:
    values = {name: value for name, value in row.items() if name != "hash"}
    return TokenInfo(**{**values, "role": Role(values["role"])})
