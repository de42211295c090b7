"""The listening socket: an address is taken from nobody who still listens, and given back only if it is still ours."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator

from processor.errors import GatewayError, WrongUse

PATH_BYTES_MAX = 107  # of sun_path, without its closing zero
LOCK_S = 5


def socket_path(address: str) -> str:
    """The path in `unix:/path`; raises WrongUse for anything else."""
    scheme, colon, path = address.partition(":")
    if scheme != "unix" or not colon or not path.startswith("/"):
        raise WrongUse(f"an address is unix:/path (an absolute path), not {address!r}")
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise WrongUse(
            f"{address}: a socket's path has at most {PATH_BYTES_MAX} bytes, this one has {len(os.fsencode(path))}"
        )
    return path


class Listener:
    """A bound, listening, non-blocking socket at `address`.

    A socket file that nobody listens on any more is replaced. Raises GatewayError when somebody does, when the path is
    no socket, or when it cannot be made; WrongUse for an address that is none.
    """

    def __init__(self, address: str, backlog: int = 512) -> None:
        self.address = address
        self.path = socket_path(address)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            with self._directory_locked():
                self._remove_stale()
                self._socket.bind(self.path)
                # From here on the file is ours, whatever path or name it has later.
                self._identity = self._identify()
                self._socket.listen(backlog)
        except OSError as error:
            self._socket.close()
            raise GatewayError(
                f"cannot listen at {address}: {error.strerror}; check the directory, or choose another path"
            ) from error
        except BaseException:
            self._socket.close()
            raise

    @property
    def fd(self) -> int:
        """The socket's descriptor; -1 when closed."""
        return self._socket.fileno()

    def close(self) -> None:
        """Stops listening and removes the file, if it is still the one that was made here."""
        if self._socket.fileno() < 0:
            return
        if self._identify() == self._identity:
            os.unlink(self.path)
        self._socket.close()  # last: until now the address was in use, so that the file was nobody else's

    @contextlib.contextmanager
    def _directory_locked(self) -> Iterator[None]:
        """Of two that start at once and both find a stale file, one shall not remove the other's fresh socket."""
        descriptor = os.open(os.path.dirname(self.path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            deadline = time.monotonic() + LOCK_S
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise GatewayError(
                            f"cannot listen at {self.address}: another process has held the lock of the directory "
                            f"for {LOCK_S} s; end it or choose another path"
                        ) from None
                    time.sleep(0.01)
            yield
        finally:
            os.close(descriptor)

    def _identify(self) -> tuple[int, int] | None:
        try:
            found = os.lstat(self.path)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _remove_stale(self) -> None:
        try:
            mode = os.lstat(self.path).st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise GatewayError(f"cannot listen at {self.address}: {error.strerror}; choose another path") from error
        if not stat.S_ISSOCK(mode):
            raise GatewayError(
                f"cannot listen at {self.address}: there is a file that is no socket; remove it or choose another path"
            )
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as probe:
            try:
                probe.connect(self.path)
            except ConnectionRefusedError:
                os.unlink(self.path)
                return
            except FileNotFoundError:
                return
            except BlockingIOError:
                pass  # its backlog is full: somebody is there
            except OSError as error:
                raise GatewayError(
                    f"cannot tell who listens at {self.address}: {error.strerror}; choose another path"
                ) from error
        raise GatewayError(f"{self.address} is in use: another service listens there; stop it or choose another path")
