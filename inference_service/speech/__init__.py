"""From recordings to transcripts: cut into pieces, computed, joined, read."""
