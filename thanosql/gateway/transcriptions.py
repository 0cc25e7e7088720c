"""`POST /v1/audio/transcriptions`: a recording in, its transcript out, as OpenAI's clients ask for it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from thanosql.clients import QueryClient
from thanosql.errors import AudioError, Cancelled, InvalidOption, TimedOut, Unavailable, UnknownModel
from thanosql.gateway.callers import Callers
from thanosql.gateway.config import GatewayConfig
from thanosql.gateway.failures import Refusal, invalid, respond
from thanosql.gateway.formats import Format, usage, write_transcript
from thanosql.gateway.models import find_language, list_models, unknown_model
from thanosql.gateway.threads import unless_left
from thanosql.gateway.transcription_form import TranscriptionRequest, read_form
from thanosql.types import ClipFailure, Priority, TranscribeClip, TranscribeStart, Transcript

MOST_FIELDS = 50
MOST_FIELD_BYTES = 64 * 1024
FORMATS_HINT = "Formats are wav, flac, mp3, ogg (vorbis, opus) and aiff, told by content; ffmpeg makes them of others."


class Transcriptions:
    """Transcribes the recordings of requests.

    Args:
        config: How long one may take.
        callers: Give the client that speaks for who asks.
    """

    def __init__(self, config: GatewayConfig, callers: Callers) -> None:
        self._config, self._callers = config, callers

    async def create(self, request: Request) -> Response:
        """Answers one request."""
        # Before the body is taken: nobody without a token shall fill the disk.
        client = await self._callers.admit(request)
        asked, audio = await _read_request(request)
        work = _Work(client, asked, audio)
        try:
            async with asyncio.timeout(self._config.transcribe_seconds):
                transcript, language = await unless_left(request, work.run, work.stop)
        except TimeoutError:
            raise TimedOut(
                f"the recording was not transcribed within {self._config.transcribe_seconds:g} s",
                hint="Load long recordings with thanosql upload, and transcribe them with PREDICT.",
            ) from None
        except UnknownModel as error:
            models = await asyncio.to_thread(list_models, client)
            return respond(unknown_model(asked.model, models) if not error.hint else error, "model")
        except AudioError as error:
            return respond(error, "file")
        except InvalidOption as error:  # a hotword that the model cannot spell
            return respond(error, "prompt" if asked.hotwords else "")
        if asked.is_streamed:
            return Response(_write_events(transcript), media_type="text/event-stream")
        body = write_transcript(transcript, asked.form, language=language, granularity=asked.granularity)
        return Response(body, headers={"Content-Type": asked.form.media_type})


class _Work:
    """One transcription, in a thread; another may stop it."""

    def __init__(self, client: QueryClient, asked: TranscriptionRequest, audio: bytes) -> None:
        self._client, self._asked, self._audio = client, asked, audio
        self._over = threading.Event()
        self._is_stopped = False

    def run(self) -> tuple[Transcript, str]:
        """The transcript, and the language of the model where it matters."""
        asked, language = self._asked, ""
        if asked.language or asked.form is Format.VERBOSE_JSON:
            language = find_language(self._client, asked.model)
            _check_language(asked, language)
        start = TranscribeStart(
            model=asked.model,
            version=0,
            words=asked.form.needs_words,
            priority=Priority.INTERACTIVE,
            hotwords=asked.hotwords,
        )
        try:
            with closing(self._client.transcribe(start, self._clips())) as answers:
                for answer in answers:
                    if isinstance(answer, ClipFailure):
                        raise _unusable(answer)
                    return answer, language or asked.language
        finally:
            self._over.set()
        raise Unavailable("the query service ended the call without an answer", hint="Send the recording again.")

    def stop(self) -> None:
        """Ends the call."""
        self._is_stopped = True
        self._over.set()

    def _clips(self) -> Iterator[TranscribeClip]:
        """The recording. The stream stays open until the answer has come: an error in it ends the call at once."""
        yield TranscribeClip(0, audio=self._audio)
        self._over.wait()
        if self._is_stopped:
            raise Cancelled("the caller has left")


def _check_language(asked: TranscriptionRequest, language: str) -> None:
    if asked.language and language and asked.language != language:
        raise invalid(
            "language",
            f"the model {asked.model!r} writes {language!r}, not {asked.language!r}",
            hint="Leave language out, or name a model of that language (GET /v1/models).",
        )


def _unusable(failure: ClipFailure) -> AudioError:
    hint = FORMATS_HINT if failure.reason == "unreadable" else ""
    return AudioError(failure.message, reason=failure.reason, hint=hint)


async def _read_request(request: Request) -> tuple[TranscriptionRequest, bytes]:
    """What is asked for, and the bytes of the recording.

    Raises:
        Refusal: it is no form, or not one that makes sense.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise Refusal(
            415,
            f"the body is {kind or 'of no kind'}, not multipart/form-data",
            "unsupported_media_type",
            hint="Send a form: curl -F file=@speech.wav -F model=NAME.",
        )
    try:
        async with request.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD_BYTES) as form:
            asked, upload = read_form(_texts(form)), _only_file(form)
            return asked, await upload.read()
    except HTTPException as error:
        raise Refusal(400, f"the form cannot be read: {error.detail}", "invalid_form") from None


def _texts(form: FormData) -> dict[str, list[str]]:
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in form.multi_items():
        if isinstance(value, str):
            texts[name].append(value)
        elif name != "file":
            raise invalid(name, f"the recording came as {name!r}", hint="Send it in the field file.")
    return texts


def _only_file(form: FormData) -> UploadFile:
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise Refusal(
            400,
            "the field file is missing, or is no file",
            "missing_required_parameter",
            "file",
            hint="Send the recording with a filename: curl -F file=@speech.wav.",
        )
    return upload


def _write_events(transcript: Transcript) -> str:
    """Server-sent events. A CTC model's text is known at once, when all is heard: it comes in one piece."""
    events: list[dict[str, Any]] = [
        {"type": "transcript.text.delta", "delta": transcript.text},
        {"type": "transcript.text.done", "text": transcript.text, "usage": usage(transcript)},
    ]
    return "".join(f"data: {json.dumps(each, ensure_ascii=False)}\n\n" for each in events)
