"""Data sets: found by their names, loaded, and put into the workspace."""
