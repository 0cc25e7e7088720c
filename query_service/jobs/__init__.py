"""Trainings: started, followed, listed, stopped."""
