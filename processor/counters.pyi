NAMES: tuple[str, ...]

class Counters:
    """Numbers of the stages, written by one thread each and readable by anybody at any time."""

    path: str
    def __init__(self, path: str | None = None) -> None: ...
    def publish(self) -> None:
        """Gives the page its name. A page that stood there keeps its memory: a process that still writes to it is not harmed."""
    def get(self, name: str) -> int:
        """One counter by name; raises KeyError for an unknown name."""
    def put(self, name: str, value: int) -> None:
        """Sets one counter by name (for those that Python code keeps)."""
    def all(self) -> dict[str, int]:
        """All counters by name."""
    @staticmethod
    def read(path: str) -> dict[str, int]:
        """The counters in a page that some process, perhaps a dead one, has left at `path`."""
