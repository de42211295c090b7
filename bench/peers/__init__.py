"""The peers, one a file; what they run in other languages is in java/ and python/."""
