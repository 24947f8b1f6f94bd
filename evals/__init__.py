"""Offline evaluation: tasks of dataset, solver and scorer, and a runner that writes figures."""
