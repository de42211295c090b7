from processor.logic.sessions import Sessions

def export_sessions(sessions: Sessions) -> bytes:
    """The table's export; raises ValueError between begin and finish."""

def fill_sessions(sessions: Sessions, data: bytes) -> None:
    """Fills a fresh table with an export; use Sessions.load, which changes nothing when the bytes are none."""

def exported_settings(data: bytes) -> tuple[int, int, int]:
    """(window, kept_bytes_max, sessions_max) of the table that this is an export of; raises ValueError for other bytes."""
