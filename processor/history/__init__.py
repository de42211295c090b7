"""The past of a journal: rebuild, temporal query, replay, verify, what-if. See processor.History."""
