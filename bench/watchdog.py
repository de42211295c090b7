"""Nothing is left running when we are killed: a shell waits until our end of a pipe closes, then kills."""

from __future__ import annotations

import subprocess


class Watchdog:
    """Kills process `pid`, or with `group` its process group, when this process ends without calling `stop`."""

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
