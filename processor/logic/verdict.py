"""What the session table says about a request, and the answers of opening a session, for Python (see sessions.pxd)."""

from enum import IntEnum


class Verdict(IntEnum):
    """Of a request of a session: only APPLY changes anything."""

    APPLY = 0       # last + 1
    REPEAT = 1      # within the window: the stored outputs are sent again
    TOO_OLD = 2     # below the window
    GAP = 3         # above last + 1
    UNKNOWN = 4     # no such session: never opened, or evicted
    GONE = 5        # within the window and applied, but its outputs are no longer kept


OPEN_FULL = 0       # instead of a session's id: as many are open as the table holds
OPEN_EVICTED = -1   # the claimed session is gone, or belongs to another token
