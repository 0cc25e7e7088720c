"""Finds what a statement about a job names: a training, or a statement that runs or has lately ended."""

from __future__ import annotations

from query_service.jobs.follow import shorten
from query_service.jobs.query_listings import choose_queries
from query_service.language.options import Name
from query_service.running.status import LEAST_CHARACTERS, QueryStatus
from query_service.running.work import Work
from thanosql.errors import NotFound, StatementError
from thanosql.types import Job


def find_job(name: Name, work: Work) -> Job | QueryStatus:
    """The training or statement whose id is `name`, or begins so.

    Raises:
        NotFound: there is none.
        StatementError: it is not clear which is meant.
    """
    jobs = work.services.catalog.list_jobs()
    queries = [query for query in work.queries.list_queries() if query.id != work.query_id]
    candidates: list[Job | QueryStatus] = [*jobs, *queries]
    text = name.text.casefold()
    meant = [each for each in candidates if each.id.casefold() == text]
    if not meant and len(text) >= LEAST_CHARACTERS:
        meant = [each for each in candidates if each.id.casefold().startswith(text)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        ids = ", ".join(each.id[: max(len(text) + 4, 8)] for each in meant[:5])
        message = f"{len(meant)} jobs begin with {name}"
        raise work.source.error(StatementError, message, name.at, f"Give more of its id: {ids}.")
    shown = choose_queries(queries, work.query_id, {job.id for job in jobs})
    moments = {each.id: each.created_at for each in jobs} | {each.id: each.started_at for each in shown}
    newest = ", ".join(shorten(id) for id in sorted(moments, key=lambda id: moments[id], reverse=True)[:3])
    hint = f"LIST JOBS shows them; the newest are: {newest}." if newest else "There are no jobs."
    if len(text) < LEAST_CHARACTERS:
        hint = f"Give at least {LEAST_CHARACTERS} characters of its id. {hint}"
    raise work.source.error(NotFound, f"there is no job {name}", name.at, hint)
