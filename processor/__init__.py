"""An in-memory business logic processor with Apache Kafka as its journal."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from processor.app import App
    from processor.client import Answer, Client, Output
    from processor.fields import f64, i8, i16, i32, i64, raw, text, u8, u16, u32, u64

__version__ = "0.1.0"
__all__ = ["Answer", "App", "Client", "Output", "f64", "i8", "i16", "i32", "i64", "raw", "text", "u8", "u16", "u32", "u64"]

# Where each name is. Imported when it is first asked for, so that the command line is there, and takes Ctrl-C, at once.
_MODULES = {name: "processor.fields" for name in __all__} | {"App": "processor.app"} | {
    name: "processor.client" for name in ("Answer", "Client", "Output")
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'processor' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return found
