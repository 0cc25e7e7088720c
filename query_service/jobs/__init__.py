"""Trainings, and statements that run: followed, listed, described, stopped."""
