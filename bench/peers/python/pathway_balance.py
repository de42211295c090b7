"""A running balance for each account by Pathway: pathway_balance.py BOOTSTRAP IN OUT.

Its own aggregation (groupby, reduce) answers once for each batch and account, not once for each event; so the
balances are kept by a function that it calls for each row, in an order of its own within a batch. Its writer merges
equal rows. So an
output tells which event it answers and as the how manyth it was applied: account u32, pad u32, balance i64, sequence
u64, turn u64.
"""

import itertools
import struct
import sys

import pathway as pw

bootstrap, source, target = sys.argv[1:4]
unpack, pack = struct.Struct("<Q24xI4xq").unpack_from, struct.Struct("<I4xqQQ").pack
balances = [0] * 10_000
turns = itertools.count()


@pw.udf(deterministic=True)
def pay(event: bytes) -> bytes:
    sequence, account, amount = unpack(event)
    balances[account] += amount
    return pack(account, balances[account], sequence, next(turns))


records = pw.io.kafka.read(
    {
        "bootstrap.servers": bootstrap,
        "group.id": f"pathway-{target}",
        "auto.offset.reset": "earliest",
        "fetch.message.max.bytes": str(8 * 1024 * 1024),
    },
    topic=source,
    format="raw",
    autocommit_duration_ms=100,
)
answers = records.select(data=pay(pw.this.data))
pw.io.kafka.write(
    answers,
    {
        "bootstrap.servers": bootstrap,
        "acks": "all",
        "enable.idempotence": "true",
        "linger.ms": "5",
        "queue.buffering.max.messages": "1000000",
    },
    topic_name=target,
    format="raw",
)
pw.run(monitoring_level=pw.MonitoringLevel.NONE)
