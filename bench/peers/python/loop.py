"""A hand-written consume-process-produce loop with confluent-kafka, at least once: loop.py BOOTSTRAP IN OUT.

Offsets are committed behind a flush of what was produced from them, once for each second, as its documentation says.
"""

import struct
import sys
import time

from confluent_kafka import Consumer, Producer

bootstrap, source, target = sys.argv[1:4]
consumer = Consumer(
    {
        "bootstrap.servers": bootstrap,
        "group.id": f"loop-{target}",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "fetch.message.max.bytes": 8 * 1024 * 1024,
        "queued.min.messages": 1_000_000,
    }
)
producer = Producer(
    {
        "bootstrap.servers": bootstrap,
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 5,
        "batch.size": 1_000_000,
        "queue.buffering.max.messages": 1_000_000,
    }
)
consumer.subscribe([source])
balances = [0] * 10_000
unpack, pack, produce = struct.Struct("<I4xq").unpack_from, struct.Struct("<I4xq").pack, producer.produce
committed = time.monotonic()
while True:
    records = consumer.consume(10_000, 0.1)
    for record in records:
        account, amount = unpack(record.value(), 32)
        balance = balances[account] + amount
        balances[account] = balance
        while True:
            try:
                produce(target, pack(account, balance), partition=0)
                break
            except BufferError:
                producer.poll(0.01)
    producer.poll(0)
    if records and time.monotonic() - committed > 1:
        producer.flush()
        consumer.commit(asynchronous=True)
        committed = time.monotonic()
