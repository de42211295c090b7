"""The command `processor` itself: its help, its exit codes, and Ctrl-C before anything goes on."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest

from processor.cli import main as command
from processor.errors import ProcessorError, WrongUse
from tests.cli.commands import LONG_S, OUTSIDE, PROCESSOR, ROOT, processor


def test_help_lists_every_command_and_the_exit_codes() -> None:
    done = processor("--help")
    assert done.returncode == 0 and "exit codes: 0 done, 1 a check failed" in done.stdout
    assert all(f"\n    {name} " in done.stdout for name in command.COMMANDS)
    assert processor().returncode == processor("fly").returncode == 2


@pytest.mark.parametrize(("raised", "code", "said"), [
    (ProcessorError("no journal"), 3, "processor: no journal\n"),
    (WrongUse("not so"), 2, "processor: not so\n"),
    (OSError(errno.ENOSPC, "No space left on device", "/full"), 3, "No space left on device: '/full'"),
    (KeyboardInterrupt(), 130, ""),
])  # fmt: skip
def test_what_a_command_raises_becomes_a_message_and_an_exit_code(
    raised: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from processor.cli import snapshot

    def fail(arguments: object) -> int:
        print("what was found before")
        raise raised

    monkeypatch.setattr(snapshot, "run", fail)
    assert command.main(["snapshot", "list", "x"]) == code
    shown = capsys.readouterr()
    assert said in shown.err and shown.out == "what was found before\n"


@pytest.mark.parametrize("words", [("snapshot", "list", "."), ("--help",), ("journal", "dump", "--help")])
def test_output_that_nobody_reads_is_no_error(words: tuple[str, ...]) -> None:
    # Little enough that it is first written when the command has ended.
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*PROCESSOR, *words], stdout=writing, stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=LONG_S,
            check=False, env=OUTSIDE,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_ends_the_process_at_once_while_commands_are_imported() -> None:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with command._quiet_ctrl_c():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with command._quiet_ctrl_c():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_package_imports_nothing_heavy_before_it_is_asked_for_a_name() -> None:
    script = "import processor.cli.main, sys; print('numpy' in sys.modules, processor.App.__name__, bool(processor.u8))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "False App True\n"
    import processor as package

    assert all(hasattr(package, name) for name in package.__all__) and not hasattr(package, "nonsense")
