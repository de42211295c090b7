"""Programs that take part: heard by their last line, ended with all their children, even if we are killed."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from bench import maven, programs


def ended(pid: int, timeout_s: float = 10.0) -> bool:
    """Whether this process ends in time; one that is no more has."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout_s)[0])
    finally:
        os.close(descriptor)


def test_a_program_is_heard_by_the_object_in_its_last_line() -> None:
    assert programs.outcome([sys.executable, "-c", "print('warm'); print('{\"seconds\": 2}')"]) == {"seconds": 2}


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("print('no object')", "exit code 0"),
        ("print('[1]')", "its last line is no object"),
        ("import sys; sys.exit('no luck')", "no luck"),
        ("", "exit code 0"),
    ],
)
def test_a_program_that_fails_or_says_nothing_is_an_error_with_what_it_said(program: str, said: str) -> None:
    with pytest.raises(programs.ProgramFailed, match=said):
        programs.outcome([sys.executable, "-c", program])


def test_a_program_that_does_not_end_is_ended_with_its_children(tmp_path: Path) -> None:
    children = tmp_path / "children"
    with pytest.raises(programs.ProgramFailed, match=r"did not end within 1 s"):
        programs.outcome(["/bin/sh", "-c", f"sleep 100 & echo $! > {children}; wait"], timeout_s=1)
    assert ended(int(children.read_text()))


def test_programs_end_when_the_benchmark_is_killed() -> None:
    script = (
        "import os, sys; from bench import programs\n"
        "with programs.child(['/bin/sh', '-c', 'sleep 100 & echo $!; wait']) as process:\n"
        "    print(process.pid, process.stdout.readline().strip(), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=programs.ROOT, check=False
    )
    assert killed.returncode == -9
    assert [ended(int(pid)) for pid in killed.stdout.split()] == [True, True]


def test_a_folder_is_made_again_only_when_its_sources_change(tmp_path: Path) -> None:
    source, made, calls = tmp_path / "source", tmp_path / "made", []
    source.write_text("one")
    for text in ("one", "one", "two", "two"):
        source.write_text(text)
        assert maven.made_of(made, [source], lambda: calls.append(source.read_text())) == made
    assert calls == ["one", "two"]


def test_a_folder_whose_making_failed_is_made_again(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("one")

    def fail() -> None:
        raise maven.MavenError("no net")

    with pytest.raises(maven.MavenError, match="no net"):
        maven.made_of(tmp_path / "made", [source], fail)
    calls: list[int] = []
    maven.made_of(tmp_path / "made", [source], lambda: calls.append(1))
    assert calls == [1]


def test_the_limits_written_in_c_compile_and_say_how_they_are_used() -> None:
    for name in ("produce", "fetch"):
        command = programs.c(name)
        said = subprocess.run(command[:1], capture_output=True, text=True, check=False)
        assert said.returncode == 1
        assert f"{name} LIBRARY BOOTSTRAP TOPIC" in said.stderr
