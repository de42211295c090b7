"""Runs a row from its set-up to its result."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable
from typing import Any

from bench.context import Context
from bench.figures import cases_of, goals_of
from bench.machine import machine, versions
from bench.results import save
from bench.suite import Contestant, Row, Unavailable, compete, pairs_of

Wanted = Callable[[Contestant], bool]


def run_row(row: Row, context: Context, wanted: Wanted | None = None) -> dict[str, Any]:
    """The row's result; raises WrongResult, and whatever a contestant raises.

    `wanted` chooses the contestants; without it ours and the limit run, and the peers when the context says so.
    """
    chosen = wanted or (lambda one: context.peers or one.kind != "peer")
    unavailable: dict[str, str] = {}
    cases: dict[str, dict[str, Any]] = {}
    known = versions()
    with contextlib.ExitStack() as stack:
        contestants = []
        for one in row.contestants(context):
            if not chosen(one):
                continue
            stack.callback(one.close)
            try:
                one.set_up(context)
            except Unavailable as error:
                if one.kind != "peer":
                    raise
                unavailable[one.name] = str(error)
                context.log(f"{one.name} is left out: {error}")
                continue
            context.log(f"{one.name} ({one.kind}): {one.configuration()}")
            known.update(one.versions())
            contestants.append(one)
        for work in row.works(context):
            able = [one for one in contestants if one.takes(work)]
            if able:
                cases.update(cases_of(work, compete(work, able, pairs_of(work, context), context.log), able))
        configurations: dict[str, str] = {}
        for one in contestants:  # several may stand under one name, for different works
            said = configurations.get(one.name, "")
            if one.configuration() not in said:
                configurations[one.name] = f"{said}; or {one.configuration()}" if said else one.configuration()
    if not cases:
        raise Unavailable(
            f"{row.name}: nobody could do any of it: "
            + ("; ".join(unavailable.values()) or "no contestant was asked for")
        )
    return {
        "ok": True,
        "row": row.name,
        **next(iter(cases.values())),
        "cases": cases,
        "goals": goals_of(row.goals, cases),
        "unavailable": unavailable,
        "configurations": configurations,
        "quick": context.quick,
        "broker_log": context.broker_filesystem,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine(),
        "versions": known,
    }


def run(row: Row, arguments: argparse.Namespace, wanted: Wanted | None = None) -> dict[str, Any]:
    """run_row with the arguments of the command line; what fails comes back as a result that says so."""
    try:
        with Context.of(arguments) as context:
            result = run_row(row, context, wanted)
    except Exception as error:  # a row that fails says which it was, and on what
        return {
            "ok": False,
            "row": row.name,
            "error": f"{type(error).__name__}: {error}",
            "machine": machine(),
            "versions": versions(),
        }
    if arguments.save is not None:
        save(arguments.save, result)
    return result
