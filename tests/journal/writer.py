"""A process that writes to a journal and tells of every acknowledgement on stdout, until it is killed.

`python -m tests.journal.writer URL FIRST`: records from number FIRST on, in groups of 1 to 7; for each a line with its
number and next_offset.
"""

from __future__ import annotations

import random
import sys

from processor.journal import open_journal
from processor.journal.exercise import append, poll
from tests.journal.records import record


def main() -> None:
    url, number = sys.argv[1], int(sys.argv[2])
    chance = random.Random(number)
    with open_journal(url, write=True) as journal:
        print("ready", flush=True)
        while True:
            group = chance.randint(1, 7)
            blocks = [record(k, chance.choice((8, 64, 1000))) for k in range(number, number + group)]
            for tag, block in enumerate(blocks, number):
                assert append(journal, *block, tag) == 0
            number += group
            acks = poll(journal)
            while len(acks) < group:
                acks += poll(journal, timeout_ms=100)
            sys.stdout.write("".join(f"{tag} {next_offset}\n" for tag, _, next_offset in acks))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
