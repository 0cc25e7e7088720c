"""Models for NVIDIA's Triton Inference Server: a repository is written here, and `model` and `serving` run there."""
