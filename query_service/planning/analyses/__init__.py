"""From each statement to the steps of its plan."""

from query_service.language.statements import Statement
from query_service.planning.analyses import changes, jobs, models, showing, speech, tables
from query_service.planning.analyses.analysis import Analysis

ANALYSES: dict[type[Statement], Analysis] = {
    **tables.ANALYSES,
    **changes.ANALYSES,
    **speech.ANALYSES,
    **models.ANALYSES,
    **showing.ANALYSES,
    **jobs.ANALYSES,
}
