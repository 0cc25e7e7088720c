"""What a plan is made of: frozen steps, each of which says all that it needs to run."""

from query_service.planning.steps.explaining import ExplainPlan
from query_service.planning.steps.jobs import StopJob, TakeUpJob
from query_service.planning.steps.models import (
    FitModel,
    GetDataset,
    GetModel,
    MakeReady,
    RemoveModel,
    TrainModel,
    UploadModel,
    WriteRepository,
)
from query_service.planning.steps.query import TableQuery
from query_service.planning.steps.relations import KeepRows, StreamRows
from query_service.planning.steps.showing import (
    ShowBaseModels,
    ShowDatasets,
    ShowJob,
    ShowJobs,
    ShowModel,
    ShowModels,
    ShowPrebuiltModels,
    ShowTable,
    ShowTables,
)
from query_service.planning.steps.speech import Evaluate, PlayAudio, Transcribe
from query_service.planning.steps.tables import (
    ChangeTable,
    CopyFile,
    FetchRows,
    KeepTable,
    RemoveTable,
    RenameColumn,
    RenameTable,
    WriteTable,
)

Step = (
    KeepRows
    | StreamRows
    | FetchRows
    | CopyFile
    | RemoveTable
    | WriteTable
    | KeepTable
    | ChangeTable
    | RenameTable
    | RenameColumn
    | PlayAudio
    | Transcribe
    | Evaluate
    | MakeReady
    | TrainModel
    | FitModel
    | GetModel
    | UploadModel
    | GetDataset
    | WriteRepository
    | RemoveModel
    | ShowTables
    | ShowModels
    | ShowBaseModels
    | ShowPrebuiltModels
    | ShowDatasets
    | ShowTable
    | ShowModel
    | ShowJobs
    | ShowJob
    | StopJob
    | ExplainPlan
    | TakeUpJob
)

__all__ = [
    "ChangeTable",
    "CopyFile",
    "Evaluate",
    "ExplainPlan",
    "FetchRows",
    "FitModel",
    "GetDataset",
    "GetModel",
    "KeepRows",
    "KeepTable",
    "MakeReady",
    "PlayAudio",
    "RemoveModel",
    "RemoveTable",
    "RenameColumn",
    "RenameTable",
    "ShowBaseModels",
    "ShowDatasets",
    "ShowJob",
    "ShowJobs",
    "ShowModel",
    "ShowModels",
    "ShowPrebuiltModels",
    "ShowTable",
    "ShowTables",
    "Step",
    "StopJob",
    "StreamRows",
    "TableQuery",
    "TakeUpJob",
    "TrainModel",
    "Transcribe",
    "UploadModel",
    "WriteRepository",
    "WriteTable",
]
