"""Small things, each alone, as pytest-benchmark cases: `python -m pytest bench/micro`. No part of the tests."""
