"""The limit of a durable lone request: one small write and one fdatasync, on the disk that the journals lie on."""

from __future__ import annotations

import os
import tempfile
import time

import numpy as np

from bench.suite import Contestant, Measurement, Work

BLOCK_BYTES = 128  # a block's header and one event


class Fdatasync(Contestant):
    name = "one fdatasync"
    kind = "limit"

    def configuration(self) -> str:
        return f"pwrite of {BLOCK_BYTES} bytes and fdatasync, one behind the other, in a file written before"

    def takes(self, work: Work) -> bool:
        return bool(work.parameters["lone"])

    def run(self, work: Work) -> Measurement:
        count = work.parameters["lone"]
        blocks = np.random.default_rng(count).bytes(BLOCK_BYTES * count)
        took = np.empty(count)
        with tempfile.TemporaryFile(dir=self.context.scratch) as file:
            descriptor = file.fileno()
            os.pwrite(descriptor, bytes(len(blocks)), 0)
            os.fsync(descriptor)
            for k in range(count):
                start = time.perf_counter()
                os.pwrite(descriptor, blocks[k * BLOCK_BYTES : (k + 1) * BLOCK_BYTES], k * BLOCK_BYTES)
                os.fdatasync(descriptor)
                took[k] = time.perf_counter() - start
            whole = os.pread(descriptor, len(blocks), 0) == blocks
        values = {"p50": float(np.percentile(took, 50) * 1e6), "p99": float(np.percentile(took, 99) * 1e6)}
        return Measurement(values, f"{count} blocks {'whole' if whole else 'damaged'}", f"{count} blocks whole")
