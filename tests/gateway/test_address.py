"""The address: taken from nobody who listens, given back at the end, and every reason why it cannot be had is named."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from processor.errors import GatewayError, WrongUse
from processor.gateway.listener import PATH_BYTES_MAX, Listener
from tests.gateway.raw import Raw
from tests.gateway.rig import Rig, rig, socket_directory


@pytest.fixture
def folder() -> Iterator[Path]:
    with socket_directory() as directory:
        yield directory


def test_an_address_in_use_is_refused_and_whoever_listens_there_goes_on() -> None:
    with rig() as service:
        with pytest.raises(
            GatewayError, match="is in use: another service listens there; stop it or choose another path"
        ):
            Rig(service.address)
        with Raw(service.address) as raw:
            assert raw.open().session == 1


def test_a_service_that_has_too_many_waiting_is_still_one_that_listens(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(f"{folder}/socket")
        busy.listen(0)
        waiting = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) for _ in range(3)]
        for client in waiting:
            client.connect_ex(f"{folder}/socket")
        with pytest.raises(GatewayError, match="is in use"):
            Listener(f"unix:{folder}/socket")
        for client in waiting:
            client.close()


def test_a_socket_file_that_nobody_listens_on_any_more_is_replaced(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{folder}/socket")
    assert (folder / "socket").is_socket()
    service = Rig(f"unix:{folder}/socket")
    with Raw(service.address) as raw:
        assert raw.open().session == 1
    assert service.stop()
    assert not (folder / "socket").exists()


def test_a_file_that_is_no_socket_is_left_alone(folder: Path) -> None:
    (folder / "socket").write_text("precious")
    with pytest.raises(GatewayError, match="there is a file that is no socket; remove it or choose another path"):
        Listener(f"unix:{folder}/socket")
    assert (folder / "socket").read_text() == "precious"


def test_a_missing_directory_is_named(folder: Path) -> None:
    with pytest.raises(GatewayError, match=f"{folder}/nowhere/socket: No such file or directory; check the directory"):
        Listener(f"unix:{folder}/nowhere/socket")


def test_a_directory_that_is_none_is_named(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(GatewayError, match="file/socket: Not a directory; check the directory"):
        Listener(f"unix:{folder}/file/socket")


def test_a_path_that_is_too_long_is_refused_with_both_numbers(folder: Path) -> None:
    path = f"{folder}/".ljust(PATH_BYTES_MAX + 1, "x")
    with pytest.raises(WrongUse, match="a socket's path has at most 107 bytes, this one has 108"):
        Listener(f"unix:{path}")
    longest = Listener(f"unix:{path[:-1]}")
    assert os.listdir(folder) == [os.path.basename(path[:-1])]
    longest.close()


@pytest.mark.parametrize("address", ["tcp:127.0.0.1:80", "unix:relative", "/tmp/socket", "unix:", ""])
def test_an_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(WrongUse, match=r"an address is unix:/path \(an absolute path\), not"):
        Listener(address)


def test_a_socket_file_that_another_has_put_in_its_place_is_not_removed_at_the_end(folder: Path) -> None:
    mine = Listener(f"unix:{folder}/socket")
    os.unlink(mine.path)
    theirs = Listener(f"unix:{folder}/socket")
    mine.close()
    assert (folder / "socket").is_socket()
    theirs.close()
    assert not (folder / "socket").exists()


def test_of_many_that_find_a_stale_file_at_once_one_gets_the_address(folder: Path) -> None:
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(f"{folder}/socket")
        together = threading.Barrier(8)
        got: list[Listener] = []
        refused: list[GatewayError] = []

        def start(
            together: threading.Barrier = together, got: list[Listener] = got, refused: list[GatewayError] = refused
        ) -> None:
            together.wait()
            try:
                got.append(Listener(f"unix:{folder}/socket"))
            except GatewayError as error:
                refused.append(error)

        threads = [threading.Thread(target=start) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(got), len(refused)) == (1, 7), refused
        assert all("is in use" in str(one) for one in refused)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{folder}/socket")
        got[0].close()
        assert os.listdir(folder) == []
