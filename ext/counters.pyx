"""The counter page (see counters.pxd)."""

import contextlib
import mmap
import os

from libc.errno cimport errno
from libc.stdint cimport uint64_t

from processor.ring.sequence cimport load_acquire, store_release

cdef extern from "<unistd.h>" nogil:
    int close(int)
    int linkat(int, const char*, int, const char*, int)

cdef extern from "<fcntl.h>" nogil:
    int AT_FDCWD, AT_SYMLINK_FOLLOW

NAMES = ("published", "handed", "durable", "applied", "blocks", "outputs", "rejected", "repeated", "snapshot_running",
         "snapshots", "snapshot_sequence", "journal_away", "pause_ns_max", "pid", "collections", "collection_ns_max")


cdef class Counters:
    """Numbers of the stages, written by one thread each and readable by anybody at any time.

    With a `path` they are a file mapped shared, so that they can still be read when the process was killed. The file gets its name
    from `publish`: until then, and for a starter that is refused, the page of whoever runs there stays as it is. Raises OSError.
    """
    def __init__(self, str path=None):
        size = COUNTERS * sizeof(uint64_t)
        self.path = path or ""
        self.descriptor = -1
        if path:
            self.descriptor = os.open(os.path.dirname(path) or ".", os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o644)
            # Not a hole: touching one on a disk that is full by then would be the end (SIGBUS).
            os.posix_fallocate(self.descriptor, 0, size)
            self.mapping = mmap.mmap(self.descriptor, size)
        else:
            self.mapping = mmap.mmap(-1, size)
        self.view = memoryview(self.mapping).cast("Q")
        self.values = &self.view[0]
        store_release(&self.values[COUNT_PID], os.getpid())

    def __dealloc__(self):
        if self.descriptor >= 0:
            close(self.descriptor)

    def publish(self):
        """Gives the page its name. A page that stood there keeps its memory: a process that still writes to it is not harmed."""
        if self.descriptor < 0:
            return
        temporary = f"{self.path}.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):      # of one that was killed between the two lines below, with our pid
            os.unlink(temporary)
        # os.link does not follow the link in /proc, which is what gives an unnamed file a name (open(2), O_TMPFILE).
        source, target = f"/proc/self/fd/{self.descriptor}".encode(), os.fsencode(temporary)
        if linkat(AT_FDCWD, source, AT_FDCWD, target, AT_SYMLINK_FOLLOW):
            raise OSError(errno, os.strerror(errno), temporary)
        os.replace(temporary, self.path)
        close(self.descriptor)
        self.descriptor = -1

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
