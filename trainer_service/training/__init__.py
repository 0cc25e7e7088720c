"""The training: its numbers, its steps, its loop, and the report on it."""
