"""The HTTP gateway: transcription as OpenAI's clients ask for it, and statements, for callers that speak no gRPC."""
