"""PREDICT: recordings, their transcripts, and the rows that get them."""
