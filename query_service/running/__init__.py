"""Queries at work: started, followed, stopped; plans walked."""
