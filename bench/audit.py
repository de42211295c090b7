"""Reads a journal by itself, with none of the processor's rules of validity, and compares it with what a client was answered.

Lost: requests that were never answered, or whose event does not stand in the log. Doubled: requests that were answered for a
sequence that is not their first in the log, so that they must have been applied twice.
"""

from __future__ import annotations

import numpy as np

from processor.journal import open_journal
from processor.layout import BLOCK_HEADER, CONTROL_FIRST, HEADER


def audit(url: str, answered: np.ndarray) -> tuple[int, int, int]:
    """(lost, doubled, client events in the log) for `answered`, shape (requests + 1,), uint64: the sequence each was answered for.

    The log is read in two passes of its own: the last claim before a block is its only possible epoch, the first sequence must be the
    next one. One client session is assumed.
    """
    first_of = np.zeros(len(answered), np.uint64)      # request -> sequence of its first event
    events = 0
    epoch: tuple[int, int] | None = None
    following = 1
    with open_journal(url) as journal:
        first, end = journal.ends()
        reader = journal.reader(first)
        while reader.position < end:
            record = reader.read(timeout_s=5)
            if record is None:
                raise RuntimeError(f"the journal ends at {reader.position}, before {end}")
            offset, _, head, data = record
            header = np.frombuffer(head, BLOCK_HEADER)[0]
            if header["kind"] == 2:
                epoch = (offset, int(header["epoch_writer"]))
            elif header["kind"] == 1 and (int(header["epoch_offset"]), int(header["epoch_writer"])) == epoch:
                if int(header["first_sequence"]) != following:
                    continue
                following += int(header["count"])
                slots = np.ndarray(int(header["count"]), HEADER, data, strides=(int(header["slot_bytes"]),))
                slots = slots[slots["type"] < CONTROL_FIRST]
                events += len(slots)
                requests, positions = np.unique(slots["request"], return_index=True)
                known = requests < len(first_of)
                requests, positions = requests[known], positions[known]
                new = first_of[requests] == 0
                first_of[requests[new]] = slots["sequence"][positions[new]]
        reader.close()
    lost = int(np.count_nonzero((answered[1:] == 0) | (first_of[1:] == 0)))
    doubled = int(np.count_nonzero((first_of != 0) & (answered != 0) & (first_of != answered)))
    return lost, doubled, events
