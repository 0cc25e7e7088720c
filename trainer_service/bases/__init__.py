"""Base models: where they are, how they are loaded, and the output layer that fits the transcripts."""
