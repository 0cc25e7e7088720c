"""How a model is best computed on this machine: what to measure, what follows from it, and where it is kept."""
