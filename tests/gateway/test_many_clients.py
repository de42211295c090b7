"""Two hundred clients at once, each with all its requests in flight: everyone gets exactly its own answers, in
order.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest

from bench.journals import fresh
from bench.service_process import ServiceProcess
from examples.bank import app as bank
from processor.client import Client
from processor.layout import REPLY, REPLY_LAST

CLIENTS, REQUESTS, THREADS = 200, 500, 4
DEPOSIT, BALANCE = bank.schema.event_names["Deposit"], bank.schema.output_names["Balance"]
ANSWER = np.dtype([("head", REPLY), ("balance", BALANCE.dtype)])


def work(address: str, accounts: range, wrong: list[str], together: threading.Barrier) -> None:
    """One thread's clients: each deposits 1, 2, 3 ... into an account of its own, all at once."""
    clients = {account: Client(address, bank, timeout_s=60) for account in accounts}
    payloads = np.zeros(REQUESTS, DEPOSIT.dtype)
    payloads["amount"] = np.arange(1, REQUESTS + 1)
    together.wait()
    for account, client in clients.items():
        payloads["account"] = account
        client.send_array("Deposit", payloads)
    for account, client in clients.items():
        parts = []
        while client.unanswered:
            parts.append(client.receive_frames())
        parts.append(client.receive_frames())
        answers = np.frombuffer(b"".join(parts), ANSWER)
        head, balance = answers["head"], answers["balance"]
        right = (
            len(answers) == REQUESTS
            and np.array_equal(head["request"], np.arange(1, REQUESTS + 1))
            and (head["index"] == 0).all()
            and (head["flags"] == REPLY_LAST).all()
            and (np.diff(head["sequence"].astype(np.int64)) > 0).all()
            and (balance["account"] == account).all()
            and np.array_equal(balance["balance"], np.cumsum(payloads["amount"]))
        )
        if not right:
            wrong.append(f"account {account}: {len(answers)} answers")
        client.close()


@pytest.mark.parametrize("journal", ["memory", "embedded"])
def test_two_hundred_pipelining_clients_get_exactly_their_own_answers_in_order(journal: str) -> None:
    with fresh(journal) as store:
        service = ServiceProcess(
            "examples.bank:app",
            journal=store.url,
            listen=f"unix:{store.directory}/socket",
            snapshots=store.directory / "snapshots",
            options=("--snapshot-every", "20000"),
        )
        with service:
            service.start()
            wrong: list[str] = []
            together = threading.Barrier(THREADS)
            threads = [
                threading.Thread(target=work, args=(service.listen, range(k, CLIENTS, THREADS), wrong, together))
                for k in range(THREADS)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert wrong == []
            with Client(service.listen, bank) as client:
                answer = client.request(("Deposit", {"account": 1, "amount": 1}))
                assert answer.outputs[0].balance == REQUESTS * (REQUESTS + 1) // 2 + 1
                # Events, session opens of all, and what the snapshots journal of themselves.
                assert answer.sequence >= CLIENTS * REQUESTS + CLIENTS + 2
            assert service.stop() == 0
