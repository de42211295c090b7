"""`processor snapshot`: lists and shows the snapshots of a directory, and has a running service take one."""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

from processor.errors import EXIT_CHECK_FAILED, EXIT_DONE, ClientError, SnapshotError, WrongUse
from processor.snapshot.file import Snapshot, read_snapshot
from processor.snapshot.layout import SnapshotInfo
from processor.snapshot.store import Found, SnapshotStore

NAME = "snapshot"
HELP = "list and show snapshots, or have a service take one"
TAKE_KEYS = ("sequence", "position", "state_hash", "bytes", "seconds")


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="snapshot_command", metavar="list|show|take", required=True)
    listing = commands.add_parser("list", help="all snapshots of a directory, newest first, each read and checked")
    listing.add_argument("directory", metavar="DIR")
    show = commands.add_parser("show", help="the newest good one of a directory, or a named file, in full")
    show.add_argument("directory", metavar="DIR", help="the directory, or a snapshot's file")
    take = commands.add_parser("take", help="has the service at ADDR take one, and waits for it")
    take.add_argument(
        "--to", metavar="ADDR", required=True, help="the service's address, for example unix:/tmp/service"
    )
    take.add_argument("--keep", metavar="NAME", help="keep it under this name until you remove it")
    for command in (listing, show, take):
        command.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    return {"list": _list, "show": _show, "take": _take}[args.snapshot_command](args)


def _list(args: argparse.Namespace) -> int:
    """Exit code 1 when one of them is damaged: the output says which."""
    directory = Path(args.directory)
    if not directory.is_dir():
        raise SnapshotError(
            f"{directory}: there is no such directory; a service writes to the one named by --snapshots"
        )
    files = SnapshotStore(directory).files()
    if args.json:
        print(json.dumps([_row(found) for found in files]))
    else:
        print(f"{'sequence':>20}  {'position':>14}  {'bytes':>14}  {'taken':<20}  {'state hash':<32}  file")
        for found in files:
            if isinstance(found.info, SnapshotInfo) and found.good:
                info = found.info
                print(
                    f"{info.sequence:>20}  {info.position:>14}  {info.bytes:>14}  {_time(info.meta.created):<20}  "
                    f"{info.state_hash.hex():<32}  {info.path.name}"
                )
            else:
                print(f"{found.sequence:>20}  damaged: {found.error}")
    return EXIT_DONE if all(found.good for found in files) else EXIT_CHECK_FAILED


def _row(found: Found) -> dict[str, Any]:
    if isinstance(found.info, SnapshotInfo) and found.good:
        return {"ok": True, **found.info.summary()}
    row = {"ok": False, "sequence": found.sequence, "kept": found.kept, "path": str(found.path)}
    return {**row, "error": str(found.error)}


def _show(args: argparse.Namespace) -> int:
    snapshot = _named(Path(args.directory))
    info, meta = snapshot.info, snapshot.info.meta
    detail = {
        **info.summary(),
        "application": meta.application,
        "application_version": meta.application_version,
        "fingerprint": f"{meta.fingerprint:016x}",
        "journal": meta.journal_url,
        "journal_id": f"{meta.journal_id:016x}",
        "partition": meta.partition,
        "next_sequence": meta.next_sequence,
        "last_block_offset": meta.last_block_offset,
        "last_block_checksum": f"{meta.last_block_checksum:08x}",
        "epoch_offset": meta.epoch_offset,
        "epoch_writer": f"{meta.epoch_writer:016x}",
        "timestamp": meta.timestamp,
        "created": meta.created,
        "state_bytes": len(snapshot.state),
        "sessions_bytes": len(snapshot.sessions),
        "quarantine": list(snapshot.quarantine),
    }
    if args.json:
        print(json.dumps({"ok": True, **detail, "schema": _schema(meta.schema)}))
        return EXIT_DONE
    for key, value in detail.items():
        note = f"  ({_time(value)})" if key in ("timestamp", "created") else ""
        print(f"{key:<20} {'-' if value is None else value}{note}")
    print(f"{'schema':<20} {meta.schema}")
    print("every byte is as it was written")
    return EXIT_DONE


def _named(path: Path) -> Snapshot:
    """The file, or the newest good one of the directory; raises SnapshotError."""
    if not path.is_dir():
        return read_snapshot(path)
    files = SnapshotStore(path).files()
    for found in files:
        if found.good:
            return found.read()
    damaged = "".join(f"\n{found.error}" for found in files)
    raise SnapshotError(f"{path}: there is no good snapshot here; {len(files)} were looked at{damaged}")


def _take(args: argparse.Namespace) -> int:
    from processor.client import admin

    answer = admin(args.to, {"command": "snapshot", "keep": args.keep})
    if answer.get("wrong_use"):
        raise WrongUse(f"--keep {answer['error']}")
    if not answer.get("ok", True) or not set(TAKE_KEYS) <= answer.keys():
        raise ClientError(f"{args.to}: no snapshot was taken: {answer.get('error', answer)}")
    if args.json:
        print(json.dumps(answer))
    else:
        print(
            f"snapshot of sequence {answer['sequence']} at position {answer['position']}: {answer['bytes']} bytes in "
            f"{answer['seconds']:.3f} s, state {answer['state_hash']}{', kept as ' + args.keep if args.keep else ''}"
        )
    return EXIT_DONE


def _schema(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _time(nanoseconds: int) -> str:
    return datetime.datetime.fromtimestamp(nanoseconds / 1e9, datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
