"""The least that a server of the Open Inference Protocol in Python can do: grpc.aio, and the input sent back.

    python benchmarks/peers/echo.py PORT

What a request costs here is gRPC and the parsing of its message; what a real server costs above that is its own.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import grpc.aio

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from thanosql.oip import grpc_service_pb2 as oip
from thanosql.oip import grpc_service_pb2_grpc as oip_grpc


class Echo(oip_grpc.GRPCInferenceServiceServicer):
    async def ServerReady(self, request: oip.ServerReadyRequest, _: Any) -> oip.ServerReadyResponse:  # noqa: N802, ARG002
        return oip.ServerReadyResponse(ready=True)

    async def ModelInfer(self, request: oip.ModelInferRequest, _: Any) -> oip.ModelInferResponse:  # noqa: N802
        response = oip.ModelInferResponse(model_name=request.model_name, id=request.id)
        given = request.inputs[0]
        response.outputs.add(name="OUTPUT", datatype=given.datatype, shape=given.shape)
        response.raw_output_contents.append(request.raw_input_contents[0])
        return response


async def serve(port: int) -> None:
    server = grpc.aio.server()
    oip_grpc.add_GRPCInferenceServiceServicer_to_server(Echo(), server)  # type: ignore[abstract]
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
