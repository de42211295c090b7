"""The application `counter` of apps.py, whose snapshots are not written before the file SNAPSHOTS_MAY_GO_ON is there."""

import os
import time
from pathlib import Path

from tests.service import apps

counter = apps.counter
go_on = Path(os.environ["SNAPSHOTS_MAY_GO_ON"])
service = os.getpid()


def wait_in_child() -> None:
    # Not longer than the service lives: nothing else would end this process then.
    while os.getppid() == service and not go_on.exists():
        time.sleep(0.001)


os.register_at_fork(after_in_child=wait_in_child)
