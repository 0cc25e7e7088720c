"""Statements on a machine with a GPU: the tutorial's tables, BUILD, CANCEL and PREDICT through a session."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from typing import Any

from gpu_parts.settings import CHECKOUT, Settings


def measure(settings: Settings) -> dict[str, Any]:
    """What a user sees, and what becomes of the GPU's memory."""
    import thanosql

    workspace = settings.scratch / "tutorial"
    shutil.copytree(CHECKOUT / "tutorial_data", workspace / "tutorial_data", dirs_exist_ok=True)
    figures: dict[str, Any] = {}
    with thanosql.connect(workspace=workspace, state=settings.scratch / "tutorial-state") as session:
        try:
            _run_tutorial(session, figures)
            figures |= _cancel(session)
        except thanosql.ThanoSQLError as error:
            figures["failed"] = str(error)
    return figures


def _run_tutorial(session: Any, figures: dict[str, Any]) -> None:
    """The tutorial's statements, and how many seconds each took."""

    def timed(name: str, statement: str) -> Any:
        begin = time.perf_counter()
        result = session.sql(statement, progress=False)
        figures[f"{name}, s"] = round(time.perf_counter() - begin, 2)
        return result

    for name in ("librispeech_train", "librispeech_test"):
        timed(f"COPY {name}", f"COPY {name} FROM 'tutorial_data/librispeech_data/{name}.csv'")
    options = "OPTIONS (audio_col='audio_path', text_col='text', epochs=3, overwrite=True)"
    timed("BUILD", f"BUILD MODEL words USING Wav2Vec2EnTiny {options} AS SELECT * FROM librispeech_train")
    described = str(session.sql("DESCRIBE MODEL words", progress=False).to_arrow().to_pylist())
    keys = ("device", "precision", "peak_gpu_memory_megabytes", "audio_seconds_per_second", "onnx", "seconds", "wer")
    figures["DESCRIBE"] = {key: found.group(0) for key in keys if (found := re.search(rf".{key}.{{0,30}}", described))}
    predict = "PREDICT USING words OPTIONS (audio_col='audio_path') AS SELECT * FROM librispeech_test"
    figures["PREDICT rows"] = timed("PREDICT", predict).to_arrow().num_rows
    evaluate = (
        "EVALUATE USING words OPTIONS (audio_col='audio_path', text_col='text') AS SELECT * FROM librispeech_test"
    )
    figures["EVALUATE"] = str(timed("EVALUATE", evaluate).to_arrow().slice(0, 1).to_pylist())[:200]


def _cancel(session: Any) -> dict[str, Any]:
    """Cancels a long training, and looks when the GPU's memory is free again."""
    before = memory_in_use()
    done = threading.Event()

    def build() -> None:
        rows = "SELECT * FROM librispeech_train"
        options = "OPTIONS (audio_col='audio_path', text_col='text', epochs=2000, overwrite=True)"
        try:
            session.sql(f"BUILD MODEL long USING Wav2Vec2EnTiny {options} AS {rows}", progress=False)
        except Exception as error:
            outcome.append(f"{type(error).__name__}: {error}"[:120])
        done.set()

    outcome: list[str] = []
    thread = threading.Thread(target=build)
    thread.start()
    job, most = "", before
    until = time.monotonic() + 40
    while time.monotonic() < until and not done.is_set():
        most = max(most, memory_in_use())
        rows = session.sql("LIST JOBS", progress=False).to_arrow().to_pylist()
        running = [row for row in rows if "long" in str(row) and "train" in str(row.get("phase", row))]
        if running and most > before + 100:
            job = str(running[0].get("job_id") or running[0].get("id") or next(iter(running[0].values())))
            break
        time.sleep(0.3)
    time.sleep(1.5)
    begin = time.perf_counter()
    if job:
        session.sql(f"CANCEL JOB {job}", progress=False)
    done.wait(20)
    figures: dict[str, Any] = {"CANCEL: answered after, s": round(time.perf_counter() - begin, 2), "CANCEL: job": job}
    while memory_in_use() > before + 50 and time.perf_counter() - begin < 20:
        time.sleep(0.1)
    figures["CANCEL: memory is free after, s"] = round(time.perf_counter() - begin, 2)
    figures["GPU MB before, while, after"] = [before, most, memory_in_use()]
    thread.join(5)
    return figures | {"CANCEL: outcome": outcome}


def memory_in_use() -> int:
    """MB of the GPU, by all processes; 0 where there is none."""
    try:
        command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0])
    except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
        return 0
