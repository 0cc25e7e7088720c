"""A model of Triton's Python backend that gives its input back."""

import triton_python_backend_utils as triton


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            samples = triton.get_input_tensor_by_name(request, "INPUT").as_numpy()
            responses.append(triton.InferenceResponse([triton.Tensor("OUTPUT", samples)]))
        return responses
