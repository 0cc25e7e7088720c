"""A model of Triton's Python backend that pads the clips of a batch itself, runs the graph, and counts the padding.

Triton hands over clips of different lengths in one batch where the input allows ragged batches; which clips, is its
choice. A line of JSON for each batch goes to the file that the parameter `log` names.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args):
        parameters = json.loads(args["model_config"])["parameters"]
        self.session = onnxruntime.InferenceSession(
            parameters["graph"]["string_value"], providers=["CPUExecutionProvider"]
        )
        self.log = Path(parameters["log"]["string_value"]).open("a", buffering=1)  # noqa: SIM115

    def execute(self, requests):
        clips = [triton.get_input_tensor_by_name(request, "waveform").as_numpy().reshape(-1) for request in requests]
        lengths = np.array([len(clip) for clip in clips], np.int64)
        waveform = np.zeros((len(clips), lengths.max()), np.float32)
        for row, clip in zip(waveform, clips):  # noqa: B905
            row[: len(clip)] = clip
        tokens, frames = self.session.run(["tokens", "frames"], {"waveform": waveform, "lengths": lengths})
        line = {"rows": len(clips), "samples": int(lengths.sum()), "padded": int(waveform.size)}
        self.log.write(json.dumps(line) + "\n")
        return [
            triton.InferenceResponse([triton.Tensor("tokens", row[:count][None])])
            for row, count in zip(tokens, frames)  # noqa: B905
        ]

    def finalize(self):
        self.log.close()
