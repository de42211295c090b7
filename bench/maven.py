"""Jars by Maven, and Java programs compiled against them; kept in folders, made again when their sources change."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path


class MavenError(RuntimeError):
    """Java or Maven is missing, or failed; the message says what it said."""


def need(*tools: str) -> None:
    """Raises MavenError unless these commands are on the PATH."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise MavenError(f"Java 17 and Maven are needed, and {', '.join(missing)} is not on the PATH")


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """This folder, made if it is not there, for one process at a time."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made_of(directory: Path, sources: Iterable[Path], make: Callable[[], None]) -> Path:
    """`directory`, filled by `make` unless it was made of the same bytes before. Several processes may ask at once."""
    mark = directory / ".complete"
    digest = hashlib.blake2b(b"".join(source.read_bytes() for source in sources), digest_size=16).hexdigest()
    if mark.exists() and mark.read_text() == digest:
        return directory
    with locked(directory):
        if not mark.exists() or mark.read_text() != digest:
            make()
            mark.write_text(digest)
    return directory


def jars(pom: Path, directory: Path) -> Path:
    """`directory` with the jars that the pom names and those that they need. Raises MavenError."""

    def fetch() -> None:
        need("mvn", "java")
        for old in directory.glob("*.jar"):
            old.unlink()
        _run(
            ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={directory}"],
            "Maven could not fetch the jars",
        )

    return made_of(directory, [pom], fetch)


def classes(sources: Sequence[Path], jars_directory: Path, directory: Path) -> Path:
    """`directory` with the compiled classes of every .java file below these folders. Raises MavenError."""
    files = sorted(file for folder in sources for file in folder.rglob("*.java"))

    def compile_() -> None:
        need("javac")
        _run(["javac", "-nowarn", "-d", str(directory), "-cp", f"{jars_directory}/*", *map(str, files)], "javac failed")

    return made_of(directory, [*files, *sorted(jars_directory.glob(".complete"))], compile_)


def _run(command: list[str], failure: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if result.returncode:
        raise MavenError(f"{failure}:\n{(result.stdout + result.stderr)[-2000:]}")
