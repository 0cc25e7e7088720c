"""Asks the Hugging Face hub about a repository, within a time that is kept, and looks into its local cache."""

from __future__ import annotations

import http.client
import json
import os
import queue
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thanosql.errors import NotFound, Unavailable

REMEMBERED_SECONDS = 60.0
"""For so long an answer of the hub, or that there was none, is taken as still true."""

CONFIGURATION = "config.json"
SAFE_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_KINDS = {"models": "repository", "datasets": "data set"}

PICKLED_WEIGHTS = ("pytorch_model.bin", "pytorch_model.bin.index.json")


@dataclass(frozen=True, slots=True)
class Repository:
    """What the hub or its cache says of a repository."""

    revision: str
    """The commit."""
    files: frozenset[str]
    configuration: Mapping[str, Any]
    """`config.json`, or the part of it that the hub shows: `model_type`, `architectures`."""


class Hub:
    """The hub, as far as a base model's name has to be understood.

    Args:
        timeout: Seconds that a question may take, everything included.
        endpoint: The hub's address; empty: the one that `huggingface_hub` uses (`HF_ENDPOINT`).
        cache: Folder of the local cache; None: the one that `huggingface_hub` uses (`HF_HOME`).
        clock: Seconds, for how long to remember.
    """

    def __init__(
        self,
        timeout: float,
        endpoint: str = "",
        cache: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout, self._endpoint, self._cache, self._clock = timeout, endpoint, cache, clock
        self._answers: dict[tuple[str, str, str], tuple[float, Repository | NotFound]] = {}
        self._silent_until = float("-inf")
        self._silence = ""

    def ask(self, repository: str, revision: str, kind: str = "models") -> Repository:
        """What the hub says of a repository, at once where it was asked a moment ago.

        Args:
            repository: Its id.
            revision: A commit, tag or branch of it.
            kind: "models" or "datasets", which the hub keeps apart.

        Raises:
            NotFound: there is no such repository, or it is private.
            Unavailable: the hub does not answer in time.
        """
        known = self._answers.get((kind, repository, revision))
        if known is not None and self._clock() < known[0]:
            if isinstance(known[1], NotFound):
                raise known[1]
            return known[1]
        if self._clock() < self._silent_until:
            raise Unavailable(self._silence)
        try:
            answer: Repository | NotFound = self._fetch_in_time(repository, revision, kind)
        except Unavailable as error:
            self._silent_until, self._silence = self._clock() + REMEMBERED_SECONDS, error.message
            raise
        except NotFound as error:
            answer = error
        self._answers[kind, repository, revision] = (self._clock() + REMEMBERED_SECONDS, answer)
        if isinstance(answer, NotFound):
            raise answer
        return answer

    @property
    def endpoint(self) -> str:
        """The hub's address."""
        from huggingface_hub import constants

        return self._endpoint or constants.ENDPOINT

    def find_cached(self, repository: str, revision: str) -> tuple[Path, Repository] | None:
        """The folder of a whole checkpoint in the local cache, and what it is; None where it is not there."""
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(repository, CONFIGURATION, cache_dir=self._cache, revision=revision)
        if not isinstance(found, str):
            return None
        folder = Path(found).parent
        try:
            configuration = json.loads(Path(found).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        files = frozenset(file.name for file in folder.iterdir() if file.exists())  # a link may lead nowhere
        if files.isdisjoint({*SAFE_WEIGHTS, *PICKLED_WEIGHTS}) or "vocab.json" not in files:
            return None
        return folder, Repository(folder.name, files, configuration)

    def _fetch_in_time(self, repository: str, revision: str, kind: str) -> Repository:
        """`_fetch` in a thread of its own: the time-outs of sockets do not cover the look-up of a name."""
        from huggingface_hub import constants

        endpoint = self.endpoint
        host = urllib.parse.urlsplit(endpoint).hostname or endpoint
        if constants.HF_HUB_OFFLINE:
            raise Unavailable("the Hugging Face hub is switched off here (HF_HUB_OFFLINE)")
        answers: queue.SimpleQueue[Repository | Exception] = queue.SimpleQueue()

        def fetch() -> None:
            try:
                answers.put(self._fetch(endpoint, repository, revision, kind))
            except Exception as error:
                answers.put(error)

        threading.Thread(target=fetch, name="hub", daemon=True).start()
        answer: Repository | Exception
        try:
            answer = answers.get(timeout=self._timeout)
        except queue.Empty:
            answer = TimeoutError()
        if isinstance(answer, Repository):
            return answer
        if isinstance(answer, NotFound):
            raise answer
        # urllib wraps what the system said.
        reason = getattr(answer, "reason", answer)
        if isinstance(reason, TimeoutError):
            raise Unavailable(f"no answer from {host} within {self._timeout:g} s") from answer
        raise Unavailable(f"{host} cannot be reached: {getattr(reason, 'strerror', None) or reason}") from answer

    def _fetch(self, endpoint: str, repository: str, revision: str, kind: str) -> Repository:
        from huggingface_hub import get_token

        address = f"{endpoint}/api/{kind}/{repository}/revision/{urllib.parse.quote(revision, safe='')}"
        request = urllib.request.Request(address)
        token = None if os.environ.get("HF_HUB_DISABLE_IMPLICIT_TOKEN") else get_token()
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                # The hub says 401 of what it does not have, so that nobody learns what is private.
                if error.code in (401, 403, 404):
                    raise NotFound(f"the hub has no {_KINDS[kind]} {repository!r}, or it is private") from error
                raise http.client.HTTPException(f"HTTP status {error.code}") from error
        files = frozenset(each["rfilename"] for each in answer.get("siblings", ()))
        return Repository(answer.get("sha") or revision, files, answer.get("config") or {})
