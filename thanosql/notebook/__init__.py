"""What Jupyter shows: the magic, results as tables and players, progress, curves and messages."""
