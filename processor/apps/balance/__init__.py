"""The native handler of the application that all comparisons use (bench/balance.py)."""
