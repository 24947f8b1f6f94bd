"""Benchmarks of speed: what is measured and how is told in each module and in the docs."""
