"""The control logic under a seeded world of faults: see world.py. `make simulate SEEDS=10000` runs it."""
