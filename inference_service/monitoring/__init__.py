"""What was done, counted once, and who is told."""
