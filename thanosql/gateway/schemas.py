"""The shapes of bodies, in JSON Schema, as the OpenAPI document names them."""

from __future__ import annotations

from typing import Any

from thanosql.gateway.formats import Format
from thanosql.gateway.transcription_form import GRANULARITIES, MOST_PROMPT

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}
SECONDS: Schema = {"type": "number", "minimum": 0, "description": "Seconds."}


def reference(name: str) -> Schema:
    """A shape by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(properties: dict[str, Schema], *, optional: tuple[str, ...] = (), description: str = "") -> Schema:
    """An object that has all these properties, but for the optional ones; others may come with later releases."""
    shape: Schema = {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "properties": properties,
    }
    return shape | ({"description": description} if description else {})


def list_of(item: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": item}


ERROR = object_of(
    {
        "error": object_of(
            {
                "message": {"type": "string", "description": "What is wrong, and what to do."},
                "type": TEXT,
                "param": {"type": ["string", "null"], "description": "Field of the request that it is about."},
                "code": {"type": "string", "description": "For programs: model_not_found, unknown_table, too_short …"},
                "request_id": {"type": "string", "description": "Finds the request in the logs."},
                "hint": {"type": "string", "description": "What to do; in message too."},
                "line": {"type": "integer", "description": "Place in the text of the query, from 1."},
                "column": INTEGER,
                "excerpt": {"type": "string", "description": "That line."},
            },
            optional=("hint", "line", "column", "excerpt"),
        )
    }
)

USAGE = object_of({"type": {"const": "duration"}, "seconds": {"type": "integer", "description": "Begun seconds."}})

WORD = object_of({"word": TEXT, "start": SECONDS, "end": SECONDS, "confidence": {**NUMBER, "minimum": 0, "maximum": 1}})

SEGMENT = object_of(
    {
        "id": INTEGER,
        "seek": INTEGER,
        "start": SECONDS,
        "end": SECONDS,
        "text": TEXT,
        "tokens": list_of(INTEGER),
        "temperature": NUMBER,
        "avg_logprob": {**NUMBER, "description": "Mean of the logarithms of the words' confidences."},
        "compression_ratio": NUMBER,
    },
    description="Words between two pauses, at most 7 s or 84 characters. There is no no_speech_prob.",
)

SCHEMAS: dict[str, Schema] = {
    "Error": ERROR,
    "TranscriptionRequest": {
        "type": "object",
        "required": ["file", "model"],
        "additionalProperties": False,
        "properties": {
            "file": {
                "type": "string",
                "format": "binary",
                "description": "The recording: wav, flac, mp3, ogg (vorbis, opus) or aiff, told by content.",
            },
            "model": {"type": "string", "minLength": 1, "description": "Name of a model: GET /v1/models."},
            "language": {
                "type": "string",
                "pattern": "^[a-z]{2,3}$",
                "description": "ISO 639-1. A model writes one language: another one is refused.",
            },
            "prompt": {
                "type": "string",
                "maxLength": MOST_PROMPT,
                "description": "Words and phrases that are likely to be said, with commas or full stops between: they "
                "are favoured as hotwords.",
            },
            "response_format": {"type": "string", "enum": [each.value for each in Format], "default": "json"},
            "temperature": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "description": "Taken for the sake of clients; decoding is deterministic.",
            },
            "timestamp_granularities[]": {
                "type": "array",
                "items": {"type": "string", "enum": list(GRANULARITIES)},
                "description": "Of verbose_json alone; default: segment.",
            },
            "stream": {
                "type": "boolean",
                "description": "Server-sent events, for json and text. The text comes in one piece when all is heard.",
            },
            "chunking_strategy": {"type": "string", "enum": ["auto"]},
        },
    },
    "Transcription": object_of({"text": TEXT, "usage": reference("Usage")}),
    "VerboseTranscription": object_of(
        {
            "task": {"const": "transcribe"},
            "language": TEXT,
            "duration": SECONDS,
            "text": TEXT,
            "segments": list_of(reference("Segment")),
            "words": list_of(reference("Word")),
            "usage": reference("Usage"),
        },
        optional=("segments", "words"),
    ),
    "Usage": USAGE,
    "Word": WORD,
    "Segment": SEGMENT,
    "Model": object_of(
        {
            "id": TEXT,
            "object": {"const": "model"},
            "created": {"type": "integer", "description": "Seconds since 1970."},
            "owned_by": TEXT,
            "version": INTEGER,
            "class_name": {"type": "string", "description": "What it was made from: what stood after USING."},
            "wer": {"type": ["number", "null"], "description": "Word error rate on held-out rows, as a fraction."},
        }
    ),
    "Models": object_of({"object": {"const": "list"}, "data": list_of(reference("Model"))}),
    "QueryRequest": {
        "type": "object",
        "required": ["query"],
        "additionalProperties": False,
        "properties": {
            "query": {"type": "string", "description": "One or more statements, separated by semicolons."},
            "parameters": {
                "oneOf": [
                    {"type": "object", "additionalProperties": reference("Parameter")},
                    {"type": "array", "items": reference("Parameter")},
                    {"type": "null"},
                ],
                "description": "Values for :name, or in the order of the question marks.",
            },
        },
    },
    "Parameter": {
        "description": "A value, or a list of values (for IN :names).",
        "type": ["string", "number", "boolean", "null", "array"],
        "items": {"type": ["string", "number", "boolean", "null"]},
    },
    "Result": object_of(
        {
            "index": {"type": "integer", "description": "Place of the statement in the text, from 0."},
            "kind": {"type": "string", "description": "SELECT, PREDICT, BUILD MODEL …"},
            "columns": list_of(object_of({"name": TEXT, "type": {"type": "string", "description": "In SQL."}})),
            "rows": list_of({"type": "array"}),
            "clips": list_of(reference("Clip")),
            "notices": list_of(object_of({"severity": {"enum": ["info", "warning"]}, "text": TEXT})),
            "message": TEXT,
            "row_count": INTEGER,
            "seconds": SECONDS,
        },
        optional=("columns", "rows", "clips", "notices", "message", "row_count", "seconds"),
        description="Of one statement: columns and rows, or the clips of PRINT AUDIO. The last four are missing where "
        "it broke off.",
    ),
    "Clip": object_of(
        {
            "path": TEXT,
            "media_type": TEXT,
            "seconds": SECONDS,
            "caption": {"type": "object", "additionalProperties": TEXT},
            "error": TEXT_OR_NULL,
            "audio": {"type": "string", "contentEncoding": "base64"},
        }
    ),
    "Results": object_of(
        {
            "id": {"type": "string", "description": "Of the query, as in the header ThanoSQL-Query-Id."},
            "results": list_of(reference("Result")),
            "error": ERROR["properties"]["error"],
        },
        optional=("error",),
        description="Where it has `error`, it broke off: what stands before is right, and not all.",
    ),
    "Accepted": object_of({"id": TEXT, "job": TEXT, "result": TEXT}),
    "Job": object_of(
        {
            "id": TEXT,
            "kind": TEXT_OR_NULL,
            "model": TEXT_OR_NULL,
            "state": TEXT,
            "progress": TEXT_OR_NULL,
            "rate": NUMBER_OR_NULL,
            "seconds_left": NUMBER_OR_NULL,
            "created_utc": TEXT_OR_NULL,
            "who": TEXT_OR_NULL,
            "statement": TEXT_OR_NULL,
        },
        description="A row of LIST JOBS.",
    ),
    "Jobs": object_of({"object": {"const": "list"}, "data": list_of(reference("Job"))}),
}
