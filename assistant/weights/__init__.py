"""Weights of image models that were trained for this project, one folder each."""
