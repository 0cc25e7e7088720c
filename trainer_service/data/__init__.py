"""The rows of a training query: which can be learned from, how they are spelled, and their samples."""
