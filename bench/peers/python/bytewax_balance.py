"""A running balance for each account by bytewax: bytewax_balance.py BOOTSTRAP IN OUT."""

import struct
import sys

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main

bootstrap, source, target = sys.argv[1:4]
unpack, pack = struct.Struct("<q").unpack_from, struct.Struct("<I4xq").pack


def step(balance, value):
    balance = (balance or 0) + unpack(value, 40)[0]
    return balance, balance


flow = Dataflow("balances")
records = op.input(
    "in",
    flow,
    KafkaSource(
        [bootstrap],
        [source],
        tail=True,
        batch_size=10_000,
        add_config={"fetch.message.max.bytes": str(8 * 1024 * 1024)},
    ),
)
keyed = op.map("key", records, lambda record: (record.key.decode(), record.value))
balances = op.stateful_map("balance", keyed, step)
outputs = op.map("pack", balances, lambda found: KafkaSinkMessage(key=None, value=pack(int(found[0]), found[1])))
op.output(
    "out",
    outputs,
    KafkaSink(
        [bootstrap],
        target,
        add_config={
            "acks": "all",
            "enable.idempotence": "true",
            "linger.ms": "5",
            "queue.buffering.max.messages": "1000000",
        },
    ),
)
cli_main(flow)
