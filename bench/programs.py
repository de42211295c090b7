"""Programs of other languages that take part: made in the cache folder, run as a child, heard by one JSON line."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import confluent_kafka

from bench import maven
from bench.suite import Unavailable
from bench.watchdog import Watchdog

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
CACHE = Path(os.environ.get("PROCESSOR_PEERS", ROOT / ".peers"))
RUN_S = 300.0


class ProgramFailed(RuntimeError):
    """A program did not come to its end; the message holds the end of what it said."""


def java(name: str, *options: str) -> list[str]:
    """The command, without main class and arguments, of the programs in bench/peers/java/NAME. Raises Unavailable."""
    sources, cache = PEERS / "java" / name, CACHE / "java" / name
    try:
        jars = maven.jars(sources / "pom.xml", cache / "jars")
        classes = maven.classes([sources, PEERS / "java" / "shared"], jars, cache / "classes")
    except maven.MavenError as error:
        raise Unavailable(str(error)) from error
    return ["java", *options, "-cp", f"{classes}:{jars}/*"]


def jar_version(name: str, artifact: str) -> str:
    """The version of a jar that `java(name)` has fetched."""
    found = next((CACHE / "java" / name / "jars").glob(f"{artifact}-[0-9]*.jar"))
    return found.stem.removeprefix(f"{artifact}-")


def python(name: str, version: str = "") -> Path:
    """The interpreter of a virtual environment with bench/peers/python/NAME.txt's pinned packages. Raises Unavailable.

    `version`: another Python than ours, when a peer has no package for ours.
    """
    requirements, cache = PEERS / "python" / f"{name}.txt", CACHE / "python" / name
    interpreter = f"python{version}" if version else sys.executable
    if shutil.which(interpreter) is None:
        raise Unavailable(f"{name} needs {interpreter}, which is not on the PATH")

    def install() -> None:
        for command in (
            [interpreter, "-m", "venv", "--clear", str(cache / "venv")],
            [
                str(cache / "venv" / "bin" / "pip"),
                "install",
                "-q",
                "--disable-pip-version-check",
                "-r",
                str(requirements),
            ],
        ):
            done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
            if done.returncode:
                raise Unavailable(f"{name} could not be installed:\n{(done.stdout + done.stderr)[-1500:]}")

    maven.made_of(cache, [requirements], install)
    return cache / "venv" / "bin" / "python"


def pinned(name: str) -> dict[str, str]:
    """The packages and versions that bench/peers/python/NAME.txt pins."""
    lines = (PEERS / "python" / f"{name}.txt").read_text().splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line)


def c(name: str) -> list[str]:
    """The command of bench/limit/NAME.c, compiled, with the library that it is to load. Raises Unavailable."""
    sources = sorted((ROOT / "bench" / "limit").glob("*.[ch]"))
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise Unavailable("a C compiler (cc) is needed for the limit, and none is on the PATH")
    program = CACHE / "c" / hashlib.blake2b(b"".join(s.read_bytes() for s in sources), digest_size=8).hexdigest() / name
    if not program.exists():
        with maven.locked(program.parent):
            source = ROOT / "bench" / "limit" / f"{name}.c"
            done = subprocess.run(
                [compiler, "-O2", "-Wall", "-pthread", "-o", f"{program}.new", str(source), "-ldl"],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise Unavailable(f"{source.name} does not compile:\n{done.stderr[-1500:]}")
            Path(f"{program}.new").replace(program)
    return [str(program), librdkafka()]


def librdkafka() -> str:
    """The file of the library that confluent-kafka has loaded. Raises Unavailable when it has none of its own."""
    assert confluent_kafka.libversion()
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "/librdkafka" in line:
            return line[line.index("/") :]
    raise Unavailable("confluent-kafka is built without a librdkafka file of its own: the C limits cannot use it")


def outcome(
    command: Sequence[str],
    *,
    timeout_s: float = RUN_S,
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Runs a program to its end; the JSON object in the last line of its stdout. Raises ProgramFailed."""
    with child(command, cwd=cwd, environment=environment) as process:
        try:
            out, said = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"{command_name(command)} did not end within {timeout_s:g} s") from None
    lines = out.strip().splitlines()
    try:
        if process.returncode:
            raise ValueError("it failed")
        found = json.loads(lines[-1])
        if not isinstance(found, dict):
            raise ValueError("its last line is no object")
    except (ValueError, IndexError) as error:
        raise ProgramFailed(
            f"{command_name(command)}: exit code {process.returncode}, {error}:\n{out[-1000:]}{said[-2000:]}"
        ) from None
    return found


@contextlib.contextmanager
def child(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
    output: Path | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """A started program in a process group of its own, killed with all its children at the end of the `with`, or of
    ours.

    What it says goes to pipes, or to the file `output`.
    """
    with contextlib.ExitStack() as stack:
        where = subprocess.PIPE if output is None else stack.enter_context(output.open("w"))
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=where,
            stderr=where,
            text=True,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        watchdog = Watchdog(process.pid, group=True)
        try:
            yield process
        finally:
            watchdog.stop()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def await_listening(port: int, process: subprocess.Popen[str], said: Path, timeout_s: float = 60.0) -> None:
    """Waits until somebody listens on this port of 127.0.0.1; raises ProgramFailed with what the program has said."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise ProgramFailed(f"nobody listens on {port}:\n{said.read_text(errors='replace')[-2000:]}") from None
            time.sleep(0.05)


def command_name(command: Sequence[str]) -> str:
    """What to call this command in a message: its arguments without class path and options."""
    return (
        " ".join(part for part in command if not part.startswith("-") and ":" not in part and "/" not in part)
        or command[0]
    )
