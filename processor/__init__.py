"""An in-memory business logic processor with Apache Kafka as its journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from processor import checked
from processor.app import App
from processor.config import Config
from processor.fields import f64, i8, i16, i32, i64, raw, text, u8, u16, u32, u64

if TYPE_CHECKING:
    from processor.local import LocalSession
    from processor.service import Service

__version__ = "0.1.0"
__all__ = [
    "App",
    "Config",
    "LocalSession",
    "Service",
    "checked",
    "f64",
    "i8",
    "i16",
    "i32",
    "i64",
    "raw",
    "text",
    "u8",
    "u16",
    "u32",
    "u64",
]


def __getattr__(name: str) -> Any:
    # What runs a service comes with every stage of it: only who asks for it pays for that.
    if name == "Service":
        from processor.service import Service

        return Service
    if name == "LocalSession":
        from processor.local import LocalSession

        return LocalSession
    raise AttributeError(f"module 'processor' has no attribute {name!r}")
