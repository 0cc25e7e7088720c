"""The steps over jobs, carried out."""

from __future__ import annotations

from typing import Any

from query_service.jobs.build import train
from query_service.jobs.statements import show_job, show_jobs, stop_job, take_up_job
from query_service.planning import steps as p
from query_service.running.walk import StepRunner

STEPS: dict[type[Any], StepRunner] = {
    p.TrainModel: train,
    p.FitModel: train,
    p.ShowJobs: show_jobs,
    p.ShowJob: show_job,
    p.StopJob: stop_job,
    p.TakeUpJob: take_up_job,
}
