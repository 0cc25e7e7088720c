"""PREDICT and EVALUATE: recordings, their transcripts, and how well these match what was said."""
