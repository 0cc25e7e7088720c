"""Jobs: who works on which, what becomes of one whose process ends, and what is kept of it."""
