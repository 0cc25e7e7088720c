"""Which recordings are sent to the model: those whose content nobody has transcribed, or is about to."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

from query_service.running.services import Services
from query_service.running.work import Work
from query_service.transcribing.content import hash_file
from query_service.transcribing.hearing import Hearing
from query_service.transcribing.letters import Known, Letter, Released, StreamEnded
from query_service.transcribing.mailbox import Mailbox
from query_service.transcribing.recordings import Recordings
from query_service.transcribing.transcript_cache import TranscriptCache
from query_service.transcribing.underway import UNDERWAY, Claim, Shared, Wanted
from thanosql.types import AudioKey, CachedTranscript, TranscribeClip

FIRST_FILES, MOST_FILES = 8, 256
"""Files whose content is looked at before the first, and at most before the next, are sent on."""
MOST_BYTES = 64 << 20
"""Of them together, unless one alone has more."""
MOST_UNREAD = 2_000
"""Letters in the mailbox beyond which no more is sent, until the statement has read some."""


class ClipSender:
    """Draws the clips of streams from recordings; `clips` runs in threads of gRPC's, all else in the statement's.

    Recordings of the same content are sent once: the others follow the first.
    """

    def __init__(
        self,
        work: Work,
        services: Services,
        hearing: Hearing,
        recordings: Recordings,
        cache: TranscriptCache,
        *,
        shares: bool,
        mailbox: Mailbox[Letter],
    ) -> None:
        self._work, self._services, self._hearing = work, services, hearing
        self._recordings, self._cache, self._shares, self._mailbox = recordings, cache, shares, mailbox
        self._lock = threading.Lock()
        self._leaders: dict[str, int] = {}
        """The recording that stands for a content, while its result is awaited."""
        self._followers: dict[int, list[int]] = {}
        self._claims: dict[int, Claim] = {}
        """Of what was sent, or is about to be."""
        self._resolved: list[Claim] = []
        self.to_send: deque[int] = deque()
        self._alone: set[int] = set()
        """Recordings that failed under another name: why is said of each file by its own."""
        self.awaited: set[int] = set()
        """What other statements are having transcribed."""
        self.is_stopped = False
        self._in_hand = 0
        """Recordings that are looked at just now."""

    @property
    def unsent(self) -> int:
        """Recordings that `clips` is still to give, about: some will turn out to be known."""
        return len(self.to_send) + self._in_hand

    def clips(self) -> Iterator[TranscribeClip]:
        """The clips to send, looked at some at a time; a failure goes to the mailbox, as gRPC would swallow it."""
        most = FIRST_FILES
        try:
            while not self.is_stopped and self.to_send and self._mailbox.wait_for_room(MOST_UNREAD):
                for number in self._choose(self._hash_next(most)):
                    self._in_hand -= 1
                    yield TranscribeClip(number, path=self._recordings.file_of(number).path)
                self._in_hand = 0
                most = min(2 * most, MOST_FILES)
        except Exception as error:
            self._mailbox.put(StreamEnded(error))

    def pass_on(self, known: Known) -> None:
        """Tells what the model has said of a recording, to whoever waits for it."""
        claim = self._claims.get(known.number)
        if claim is not None and known.lasts:
            claim.resolve(Shared(known.result, self._recordings.file_of(known.number).path))
        elif claim is not None:
            claim.end()
        self._mailbox.put(known)

    def give_up(self) -> None:
        """Lets other statements have what was sent and not answered."""
        for claim in list(self._claims.values()):
            if claim.shared is None:
                claim.end()

    def end_claims(self, *, settled_only: bool) -> None:
        """Lets go of what stands in the cache, or of all: failures too, which no cache keeps."""
        if not settled_only:
            self._resolved += self._claims.values()
            self._claims.clear()
        for claim in self._resolved:
            claim.end()
        self._resolved = []

    def settle(self, known: Known) -> Iterator[Known]:
        """Remembers what became of a recording; gives it, and what becomes of those of the same content."""
        if isinstance(known.result, CachedTranscript) and known.number in self._claims:
            self._resolved.append(self._claims.pop(known.number))
        key = self._recordings.file_of(known.number)
        said = known.result if known.lasts and isinstance(known.result, CachedTranscript) else None
        with self._lock:
            if known.lasts:
                self._work.transcripts[self._hearing, key] = known.result
            if said is not None and key.content:
                self._work.transcripts[self._hearing, key.content] = said
            if self._leaders.get(key.content) == known.number:
                del self._leaders[key.content]
            followers = self._followers.pop(known.number, ())
        yield known
        for number in followers:
            if said is None:
                self._alone.add(number)
                self.to_send.append(number)
            else:
                yield Known(number, replace(said, key=self._recordings.file_of(number)))

    def _hash_next(self, most: int) -> list[int]:
        """The next recordings, with their content in their keys where it can be told."""
        numbers: list[int] = []
        total = 0
        while self.to_send and len(numbers) < most and total < MOST_BYTES and not self.is_stopped:
            number = self.to_send.popleft()
            numbers.append(number)
            self._in_hand = len(numbers)
            key = self._recordings.file_of(number)
            if not key.content:
                total += key.size
                # Where it cannot be read, inference_service says what is wrong with it.
                with suppress(OSError):
                    path = self._recordings.place_of(number)
                    self._recordings.keys[number] = hash_file(path, key, lambda: self.is_stopped)
        return [] if self.is_stopped else numbers

    def _choose(self, numbers: Iterable[int]) -> Iterator[int]:
        """Those of the recordings that must be sent; the others become letters, now or later."""
        unknown: list[tuple[int, AudioKey]] = []
        for number in numbers:
            key = self._recordings.file_of(number)
            if not key.content or number in self._alone:
                yield number
            elif self._leads(number, key) and self._claims_now(number, key):
                unknown.append((number, key))
        # Looked up once it is claimed: whoever held a claim before has stored what was heard.
        known = self._cache.look_up([key for _, key in unknown], self._services)
        for number, key in unknown:
            found = known.get(key)
            if found is None:
                yield number
            else:
                self.pass_on(Known(number, replace(found, key=key), stored=True))

    def _leads(self, number: int, key: AudioKey) -> bool:
        """Whether a recording is the first of its content; another one is answered with the first."""
        with self._lock:
            known = self._work.transcripts.get((self._hearing, key.content))
            if isinstance(known, CachedTranscript):
                self._mailbox.put(Known(number, replace(known, key=key)))
                return False
            leader = self._leaders.setdefault(key.content, number)
            if leader != number:
                self._followers.setdefault(leader, []).append(number)
            return leader == number

    def _claims_now(self, number: int, key: AudioKey) -> bool:
        if not self._shares:
            return True
        self.awaited.add(number)  # before the claim is asked for: it may end at once
        wanted = Wanted(self._work.config.inference, self._hearing, key.content, self._work.workspace)
        claim = UNDERWAY.claim(wanted, partial(self._be_told, number, key))
        if claim is None:
            return False
        self.awaited.discard(number)
        self._claims[number] = claim
        if self.is_stopped:
            claim.end()
        return True

    def _be_told(self, number: int, key: AudioKey, shared: Shared | None) -> None:
        """Called by the statement that held the claim, in a thread of its own."""
        if shared is not None and isinstance(shared.result, CachedTranscript):
            self._mailbox.put(Known(number, replace(shared.result, key=key)))
        elif shared is not None and shared.path == key.path:
            self._mailbox.put(Known(number, shared.result))
        else:
            if shared is not None:
                self._alone.add(number)
            self._mailbox.put(Released(number))
