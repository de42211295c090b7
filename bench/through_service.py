"""The published order flow through a whole service: its socket, a fresh journal, and a client."""

from __future__ import annotations

import argparse
from typing import Any


def through_service(args: argparse.Namespace) -> dict[str, Any]:
    raise NotImplementedError(f"--through {args.through} needs the service, not wired in yet: use --through logic")
