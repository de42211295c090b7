"""A bank: deposits and transfers, two handlers of a few lines each. Run it with

processor run examples.bank:app --journal embedded:state/bank/journal --listen unix:/tmp/bank \\
    --snapshots state/bank/snapshots
processor query --app examples.bank:app --to unix:/tmp/bank balance 7
"""

from dataclasses import field

from processor import App, i64, u32

app = App("bank")


@app.event
class Deposit:
    account: u32
    amount: i64


@app.event
class Transfer:
    source: u32
    target: u32
    amount: i64


@app.output
class Balance:
    account: u32
    balance: i64


@app.state
class Bank:
    balances: dict[int, int] = field(default_factory=dict)


@app.on(Deposit)
def deposit(bank, event, ctx):
    balance = bank.balances.get(event.account, 0) + event.amount
    if event.amount <= 0 or balance > 2**62:
        return ctx.reject("a deposit is more than nothing, and a balance below 2**62")
    bank.balances[event.account] = balance
    ctx.emit(Balance(event.account, balance))


@app.on(Transfer)
def transfer(bank, event, ctx):
    have = bank.balances.get(event.source, 0)
    if event.amount <= 0 or have < event.amount or event.source == event.target:
        return ctx.reject(f"account {event.source} has {have}")
    bank.balances[event.source] = have - event.amount
    bank.balances[event.target] = bank.balances.get(event.target, 0) + event.amount
    ctx.emit(Balance(event.source, bank.balances[event.source]))
    ctx.emit(Balance(event.target, bank.balances[event.target]))


@app.query
def balance(bank, account: int):
    return bank.balances.get(account, 0)


@app.query
def richest(bank, count: int = 10):
    return sorted(bank.balances.items(), key=lambda entry: (-entry[1], entry[0]))[:count]
