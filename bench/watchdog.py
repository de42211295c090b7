"""Nothing is left running when we are killed: a shell waits for our end of a pipe to close, then kills what it watches."""

from __future__ import annotations

import subprocess


class Watchdog:
    """Kills process `pid`, or with `group` its whole process group, when this process ends without having called `stop`."""

    def __init__(self, pid: int, *, group: bool = False) -> None:
        target = f"-{pid}" if group else str(pid)
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", f"read line; kill -9 {target} 2>/dev/null"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def stop(self) -> None:
        """Ends the watch; what was watched is left alone."""
        self._shell.kill()
        self._shell.communicate()
