"""Errors that users meet, each with the exit code that a command ends with when it is not caught."""

EXIT_DONE = 0
EXIT_CHECK_FAILED = 1
EXIT_WRONG_USE = 2
EXIT_CANNOT_RUN = 3
EXIT_HALTED = 4
EXIT_DEPOSED = 5


class ProcessorError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what a command returns for it."""

    exit_code = EXIT_CANNOT_RUN


class WrongUse(ProcessorError, ValueError):
    """A setting, argument or declaration that cannot be right."""

    exit_code = EXIT_WRONG_USE


class JournalError(ProcessorError):
    """The journal cannot be opened, read or written."""


class CorruptJournal(JournalError):
    """A block below what was synced does not read back as it was written; the message names the offset."""


class JournalLocked(JournalError):
    """Another process has this embedded journal open for writing."""


class SchemaMismatch(ProcessorError):
    """The journal, a snapshot or a client speaks another schema than this application."""


class SettingsMismatch(ProcessorError):
    """The journal was written with other session settings, and they are part of what the state becomes."""


class SnapshotError(ProcessorError):
    """A snapshot cannot be read or written, or belongs to another journal."""


class Diverged(ProcessorError):
    """Replaying the journal gives another state than the one whose hash it recorded; the message has both.

    `sequence` is that of the state, `recorded` and `replayed` the two hashes, of the state and of the session table,
    as text.
    """

    def __init__(self, message: str, sequence: int = 0, recorded: str = "", replayed: str = "") -> None:
        super().__init__(message)
        self.sequence, self.recorded, self.replayed = sequence, recorded, replayed


class Deposed(ProcessorError):
    """Another writer's claim stands in the log behind ours: this one answers nobody any more."""

    exit_code = EXIT_DEPOSED


class Halted(ProcessorError):
    """A handler raised: the service stopped at the event before; the message names the event."""

    exit_code = EXIT_HALTED


class QueryError(ProcessorError):
    """A query that the application declares raised; the message names the query and what it raised."""


class GatewayError(ProcessorError):
    """The gateway cannot listen where it was told to."""


class ClientError(ProcessorError):
    """A client could not connect, or the service refused what it sent."""


class ClientTimeout(ClientError, TimeoutError):
    """No answer in time; `unanswered` are the request numbers that wait for one. They stay in flight: the client is
    usable.
    """

    def __init__(self, message: str, unanswered: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.unanswered = unanswered


class SessionEvicted(ClientError):
    """The session is gone; `unanswered` are the request numbers that got no answer. They are not sent again."""

    def __init__(self, message: str, unanswered: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.unanswered = unanswered
