"""The counter page (see counters.pxd)."""

import mmap
import os

from libc.stdint cimport uint64_t

from processor.ring.sequence cimport load_acquire, store_release

NAMES = ("published", "handed", "durable", "applied", "blocks", "outputs", "rejected", "repeated", "snapshot_running",
         "snapshots", "snapshot_sequence", "journal_away", "pause_ns_max", "pid", "collections", "collection_ns_max")


cdef class Counters:
    """Numbers of the stages, written by one thread each and readable by anybody at any time.

    With a `path` they are a file mapped shared, so that they can still be read when the process was killed.
    """
    def __init__(self, str path=None):
        size = COUNTERS * sizeof(uint64_t)
        self.path = path or ""
        if path:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.ftruncate(descriptor, 0)
                os.ftruncate(descriptor, size)
                self.mapping = mmap.mmap(descriptor, size)
            finally:
                os.close(descriptor)
        else:
            self.mapping = mmap.mmap(-1, size)
        self.view = memoryview(self.mapping).cast("Q")
        self.values = &self.view[0]
        store_release(&self.values[COUNT_PID], os.getpid())

    def get(self, str name):
        """One counter by name; raises KeyError for an unknown name."""
        if name not in NAMES:
            raise KeyError(name)
        return load_acquire(&self.values[NAMES.index(name)])

    def put(self, str name, uint64_t value):
        """Sets one counter by name (for those that Python code keeps)."""
        if name not in NAMES:
            raise KeyError(name)
        store_release(&self.values[NAMES.index(name)], value)

    def all(self):
        """All counters by name."""
        return {name: load_acquire(&self.values[k]) for k, name in enumerate(NAMES)}

    @staticmethod
    def read(str path):
        """The counters in a page that some process, perhaps a dead one, has left at `path`."""
        with open(path, "rb") as file:
            data = memoryview(file.read()).cast("Q")
        return dict(zip(NAMES, data, strict=False))
