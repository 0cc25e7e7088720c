"""Starting the service."""

from __future__ import annotations

import subprocess
import sys

from inference_service.config import InferenceConfig
from thanosql.configuration import variables


def test_help_names_every_setting_and_its_variable() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "inference_service", "--help"], capture_output=True, text=True, check=True
    )
    for name in InferenceConfig.__dataclass_fields__:
        if name != "service":
            assert f"--{name.replace('_', '-')}" in run.stdout
            assert variables(InferenceConfig, name)[0] in run.stdout


def test_wiring_the_service_loads_nothing_heavy() -> None:
    program = (
        "import sys; from inference_service.__main__ import start, InferenceConfig; "
        "start(InferenceConfig(port=0)).stop(); "
        "print(*sorted({'torch', 'transformers', 'onnxruntime', 'alembic', 'jiwer'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_a_device_that_is_not_there_is_said_at_once() -> None:
    command = [sys.executable, "-m", "inference_service", "--port", "0", "--device", "abacus"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode
    assert "inference_service cannot start: device 'abacus' is unknown" in run.stderr
    assert "Traceback" not in run.stderr
