"""What a plan is made of: frozen steps, each of which says all that it needs to run."""

from query_service.planning.steps.explaining import ExplainPlan
from query_service.planning.steps.jobs import StopJob, TakeUpJob
from query_service.planning.steps.models import FitModel, MakeReady, RemoveModel, TrainModel, WriteRepository
from query_service.planning.steps.query import TableQuery
from query_service.planning.steps.relations import KeepRows, StreamRows
from query_service.planning.steps.showing import (
    ShowBaseModels,
    ShowJob,
    ShowJobs,
    ShowModel,
    ShowModels,
    ShowTable,
    ShowTables,
)
from query_service.planning.steps.speech import Evaluate, PlayAudio, Transcribe
from query_service.planning.steps.tables import CopyFile, FetchRows, RemoveTable

Step = (
    KeepRows
    | StreamRows
    | FetchRows
    | CopyFile
    | RemoveTable
    | PlayAudio
    | Transcribe
    | Evaluate
    | MakeReady
    | TrainModel
    | FitModel
    | WriteRepository
    | RemoveModel
    | ShowTables
    | ShowModels
    | ShowBaseModels
    | ShowTable
    | ShowModel
    | ShowJobs
    | ShowJob
    | StopJob
    | ExplainPlan
    | TakeUpJob
)

__all__ = [
    "CopyFile",
    "Evaluate",
    "ExplainPlan",
    "FetchRows",
    "FitModel",
    "KeepRows",
    "MakeReady",
    "PlayAudio",
    "RemoveModel",
    "RemoveTable",
    "ShowBaseModels",
    "ShowJob",
    "ShowJobs",
    "ShowModel",
    "ShowModels",
    "ShowTable",
    "ShowTables",
    "Step",
    "StopJob",
    "StreamRows",
    "TableQuery",
    "TakeUpJob",
    "TrainModel",
    "Transcribe",
    "WriteRepository",
]
