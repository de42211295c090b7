"""Submission from within the service's own process: sessions without sockets."""

from processor.local.session import LocalSession

__all__ = ["LocalSession"]
