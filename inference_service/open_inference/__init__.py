"""The messages, tensors and parameters of the Open Inference Protocol."""
