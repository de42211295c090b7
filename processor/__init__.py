"""An in-memory business logic processor with Apache Kafka as its journal."""

from processor.app import App
from processor.fields import f64, i8, i16, i32, i64, raw, text, u8, u16, u32, u64
from processor.history.history import History

__version__ = "0.1.0"
__all__ = ["App", "History", "f64", "i8", "i16", "i32", "i64", "raw", "text", "u8", "u16", "u32", "u64"]
