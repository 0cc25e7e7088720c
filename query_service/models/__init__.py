"""Models: made ready, exported, deleted."""
