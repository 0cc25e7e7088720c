"""LitServe sends the samples of a request back; run by the Python of an environment that has it, with a port.

It takes JSON, so the samples are base64 in it, which is much cheaper than a list of numbers.
"""

import base64
import sys

import litserve


class Identity(litserve.LitAPI):
    def setup(self, device):
        pass

    def decode_request(self, request):
        return base64.b64decode(request["waveform"])

    def predict(self, x):
        return x

    def encode_response(self, output):
        return {"waveform": base64.b64encode(output).decode("ascii")}


if __name__ == "__main__":
    server = litserve.LitServer(Identity(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
