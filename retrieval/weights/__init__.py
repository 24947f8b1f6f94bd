"""Adapters of the encoder that were trained for this project, one folder each."""
