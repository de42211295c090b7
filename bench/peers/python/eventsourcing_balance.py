"""Payments as events of account aggregates, by eventsourcing on SQLite: eventsourcing_balance.py EVENTS WARM_UP FILE.

Every payment is saved, so durable, before the next one is taken. Then the application is made again and all accounts
are rebuilt from their events. Prints the seconds of both, and what both came to.
"""

import json
import sys
import time
from uuid import NAMESPACE_URL, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

ACCOUNTS = 10_000
MASK = 2**64 - 1
events, warm_up, file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


class Account(Aggregate):
    def __init__(self, number):
        self.number = number
        self.balance = 0

    @staticmethod
    def create_id(number):
        return uuid5(NAMESPACE_URL, f"/accounts/{number}")

    @event("Paid")
    def pay(self, amount):
        self.balance += amount


def payment(k):
    x = k + 1
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & MASK
    x ^= x >> 31
    return (x >> 8 & 0xFFFFFFFF) % ACCOUNTS, (x >> 40 & 1023) - 256


def opened():
    return Application(
        env={
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": file,
            "AGGREGATE_CACHE_MAXSIZE": str(ACCOUNTS),
            "DEEPCOPY_FROM_AGGREGATE_CACHE": "n",
            "AGGREGATE_CACHE_FASTFORWARD": "n",
        }
    )


application = opened()
known, total, start = set(), 0, time.perf_counter()
for k in range(warm_up + events):
    if k == warm_up:
        start = time.perf_counter()
    number, amount = payment(k)
    if number in known:
        account = application.repository.get(Account.create_id(number))
    else:
        known.add(number)
        account = Account(number)
    account.pay(amount)
    application.save(account)
    total += account.balance
seconds = time.perf_counter() - start
application.close()

application = opened()
start = time.perf_counter()
balances = {number: application.repository.get(Account.create_id(number)).balance for number in known}
rebuilt = time.perf_counter() - start
application.close()
print(
    json.dumps(
        {
            "seconds": seconds,
            "rebuild_seconds": rebuilt,
            "count": warm_up + events,
            "sum": total,
            "checksum": sum((number + 1) * balance for number, balance in balances.items()),
        }
    )
)
