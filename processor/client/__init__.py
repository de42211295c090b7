"""The client of a service: blocking, pipelined, in batches, or a whole NumPy array in one call."""

from processor.client.admin import admin
from processor.client.answers import Answer, Output
from processor.client.client import Client

__all__ = ["Answer", "Client", "Output", "admin"]
