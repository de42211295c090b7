"""A running balance for each account by Faust: faust_balance.py BOOTSTRAP IN OUT STATE_DIR."""

import struct
import sys

import faust

bootstrap, source, target, directory = sys.argv[1:5]
unpack, pack = struct.Struct("<I4xq").unpack_from, struct.Struct("<I4xq").pack
app = faust.App(
    f"faust-{target}",
    broker=f"kafka://{bootstrap}",
    store="memory://",
    datadir=directory,
    topic_partitions=1,
    web_enabled=False,
    topic_replication_factor=1,
    producer_acks=-1,
    producer_linger_ms=5,
    consumer_auto_offset_reset="earliest",
    key_serializer="raw",
    value_serializer="raw",
    stream_buffer_maxsize=16_384,
    consumer_max_fetch_size=8 * 1024 * 1024,
    topic_allow_declare=True,
    topic_disable_leader=True,
)
outputs = app.topic(target, value_type=bytes, key_type=bytes)
balances = app.Table("balances", default=int, partitions=1, key_type=int, value_type=int)


@app.agent(app.topic(source, value_type=bytes, key_type=bytes))
async def pay(stream):
    async for event in stream:
        account, amount = unpack(event, 32)
        balance = balances[account] + amount
        balances[account] = balance
        await outputs.send(value=pack(account, balance))


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "worker", "-l", "warn"]
    app.main()
