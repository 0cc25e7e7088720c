"""inference_service: transcribes audio with exported models."""
