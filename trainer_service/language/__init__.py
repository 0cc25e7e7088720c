"""The language model of a training: n-grams of its transcripts, tried on the held-out rows."""
