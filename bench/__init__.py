"""Benchmarks: `python -m bench NAME`. Each fails when its result is wrong."""
