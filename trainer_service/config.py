"""Settings of trainer_service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from thanosql.configuration import ServiceConfig, setting


@dataclass(frozen=True, kw_only=True)
class TrainerConfig(ServiceConfig):
    """Fine-tunes and exports models, one job at a time, each in a process of its own."""

    service: ClassVar[str] = "trainer"

    port: int = setting(8472, "port to listen on; 0: chosen by the system")
    catalog: str = setting("127.0.0.1:8471", "address of catalog_service")
    strict_base_models: bool = setting(False, "refuse, and not fall back to the bundled model, where a base is missing")
    hub_timeout: float = setting(5.0, "seconds within which the Hugging Face hub must answer")
    device: str = setting("auto", "where to train: auto, cpu, cuda, cuda:1, …")
    threads: int = setting(0, "threads of a training; 0: one for each core")
    torchrun: str = setting(
        "--standalone",
        "options of torchrun where devices=N; over machines: --nnodes 2 --rdzv-backend c10d --rdzv-endpoint HOST:29500",
    )
    max_seconds: float = setting(40.0, "longest recording that is learned from; longer rows are dropped")
    lease_seconds: float = setting(30.0, "seconds after which another trainer takes up the job of one that is silent")
    keep_days: float = setting(7.0, "days for which a failed or cancelled job can be resumed")
    keep_jobs: int = setting(3, "failed and cancelled jobs whose checkpoints are kept that long, the newest ones")

    @property
    def jobs(self) -> Path:
        """Folder of the jobs' rows, events and logs."""
        return self.state / "jobs"
