"""A running balance for each account by Quix Streams: quix_balance.py BOOTSTRAP IN OUT STATE_DIR."""

import struct
import sys

from quixstreams import Application

bootstrap, source, target, directory = sys.argv[1:5]
unpack, pack = struct.Struct("<I4xq").unpack_from, struct.Struct("<I4xq").pack
app = Application(
    broker_address=bootstrap,
    consumer_group=f"quix-{target}",
    auto_offset_reset="earliest",
    state_dir=directory,
    processing_guarantee="at-least-once",
    loglevel="WARNING",
    auto_create_topics=True,
    producer_extra_config={
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 5,
        "queue.buffering.max.messages": 1_000_000,
    },
    consumer_extra_config={"fetch.message.max.bytes": 8 * 1024 * 1024},
)


def pay(value, state):
    account, amount = unpack(value, 32)
    balance = state.get("balance", 0) + amount
    state.set("balance", balance)
    return pack(account, balance)


stream = app.dataframe(app.topic(source, value_deserializer="bytes", key_deserializer="bytes"))
stream = stream.apply(pay, stateful=True)
stream = stream.to_topic(app.topic(target, value_serializer="bytes", key_serializer="bytes"))
app.run()
