"""Holds a job of the catalog for as long as it is worked on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context

from thanosql.clients import CatalogClient
from thanosql.errors import LeaseLost, ThanoSQLError

log = logging.getLogger(__name__)


@contextmanager
def renewing_lease(
    catalog: CatalogClient, job_id: str, owner: str, seconds: float, lost: Callable[[], None]
) -> Iterator[None]:
    """Renews the lease of a job, three times in its length, while the block runs.

    Args:
        catalog: Knows the job.
        job_id: Of the job.
        owner: Who holds it.
        seconds: Length of the lease.
        lost: Called, from another thread, when the job has ended or is held by somebody else.
    """
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(seconds / 3):
            try:
                catalog.renew_job_lease(job_id, owner, seconds)
            except LeaseLost as error:
                log.warning("job %s: %s", job_id, error.message)
                lost()
                return
            except ThanoSQLError as error:  # nobody else can claim it either while the catalog is away
                log.warning("job %s: the lease could not be renewed: %s", job_id, error.message)

    # In a copy of this thread's context, so that it works for the same workspace.
    thread = threading.Thread(target=copy_context().run, args=(renew,), name="trainer-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
