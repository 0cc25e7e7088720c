"""How each statement is read, by the word that it begins with."""

from collections.abc import Callable

from query_service.language.reader import Reader
from query_service.language.readers import changes, explaining, jobs, models, removal, showing, speech, tables
from query_service.language.statements import Statement

READERS: dict[str, Callable[[Reader], Statement]] = {
    **tables.READERS,
    **changes.READERS,
    **speech.READERS,
    **models.READERS,
    **showing.READERS,
    **jobs.READERS,
    **explaining.READERS,
    **removal.READERS,
}
