"""An in-memory business logic processor with Apache Kafka as its journal."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from processor import checked
    from processor.app import App
    from processor.client import Answer, Client, Output
    from processor.config import Config
    from processor.fields import f64, i8, i16, i32, i64, raw, text, u8, u16, u32, u64
    from processor.history.history import History
    from processor.local import LocalSession
    from processor.service import Service

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "App",
    "Client",
    "Config",
    "History",
    "LocalSession",
    "Output",
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

# Where each name is, unless it is a field's. Imported when it is first asked for, so that the command line is there, and takes Ctrl-C,
# at once, and that a client does not pay for what runs a service.
_MODULES = {
    "Answer": "processor.client",
    "App": "processor.app",
    "Client": "processor.client",
    "Config": "processor.config",
    "History": "processor.history.history",
    "LocalSession": "processor.local",
    "Output": "processor.client",
    "Service": "processor.service",
}


def __getattr__(name: str) -> Any:
    if name == "checked":
        return import_module("processor.checked")
    if name not in __all__:
        raise AttributeError(f"module 'processor' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_MODULES.get(name, "processor.fields")), name)
    return found
