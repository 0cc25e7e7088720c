"""The statements of the dialect: a frozen dataclass each, whose docstring is its manual.

`OPTIONS` is the statement's row in the dialect's table of options, `FORM` the shape that hints show.
"""

from query_service.language.statements.explaining import Explain
from query_service.language.statements.jobs import CancelJob, ResumeJob
from query_service.language.statements.models import (
    BuildModel,
    DeleteModel,
    ExportModel,
    FitModel,
    GetDataset,
    GetModel,
    UploadModel,
)
from query_service.language.statements.showing import (
    DescribeJob,
    DescribeModel,
    DescribeTable,
    ListBaseModels,
    ListDatasets,
    ListJobs,
    ListModels,
    ListPrebuiltModels,
    ListTables,
)
from query_service.language.statements.speech import Evaluate, Predict, PrintAudio
from query_service.language.statements.statement import Statement
from query_service.language.statements.tables import (
    Copy,
    CreateTable,
    Delete,
    DropTable,
    Insert,
    RenameColumn,
    RenameTable,
    Select,
    Update,
)

__all__ = [
    "BuildModel",
    "CancelJob",
    "Copy",
    "CreateTable",
    "Delete",
    "DeleteModel",
    "DescribeJob",
    "DescribeModel",
    "DescribeTable",
    "DropTable",
    "Evaluate",
    "Explain",
    "ExportModel",
    "FitModel",
    "GetDataset",
    "GetModel",
    "Insert",
    "ListBaseModels",
    "ListDatasets",
    "ListJobs",
    "ListModels",
    "ListPrebuiltModels",
    "ListTables",
    "Predict",
    "PrintAudio",
    "RenameColumn",
    "RenameTable",
    "ResumeJob",
    "Select",
    "Statement",
    "Update",
    "UploadModel",
]
