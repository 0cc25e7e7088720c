"""What an exported repository runs inside NVIDIA's Triton Inference Server; inference_service itself never loads it."""
