"""Types of the fields of events and outputs, as annotations: `amount: i64`, `name: text[16]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

import numpy as np

from processor.errors import WrongUse


@dataclass(frozen=True)
class FieldType:
    """How a field lies in a payload: `code` is its name in the schema, `dtype` its NumPy type."""

    code: str
    dtype: np.dtype[Any]
    text: bool = False

    @property
    def bounds(self) -> tuple[int, int] | None:
        """Least and greatest value of an integer field."""
        if self.dtype.kind not in "iu":
            return None
        info = np.iinfo(self.dtype)
        return int(info.min), int(info.max)


def _number(code: str, dtype: str) -> FieldType:
    return FieldType(code, np.dtype(dtype))


u8 = Annotated[int, _number("u8", "<u1")]
u16 = Annotated[int, _number("u16", "<u2")]
u32 = Annotated[int, _number("u32", "<u4")]
u64 = Annotated[int, _number("u64", "<u8")]
i8 = Annotated[int, _number("i8", "<i1")]
i16 = Annotated[int, _number("i16", "<i2")]
i32 = Annotated[int, _number("i32", "<i4")]
i64 = Annotated[int, _number("i64", "<i8")]
f64 = Annotated[float, _number("f64", "<f8")]


class text:
    """`text[N]`: UTF-8 of at most N bytes; shorter ones are padded with zero bytes, which cannot be part of it."""

    def __class_getitem__(cls, size: int) -> Any:
        return Annotated[str, FieldType(f"text[{_size(size)}]", np.dtype(f"S{size}"), text=True)]


class raw:
    """`raw[N]`: exactly N bytes (shorter values are padded with zero bytes on the right)."""

    def __class_getitem__(cls, size: int) -> Any:
        return Annotated[bytes, FieldType(f"raw[{_size(size)}]", np.dtype(f"V{size}"))]


def _size(size: object) -> int:
    if not isinstance(size, int) or not 1 <= size <= 65_000:
        raise WrongUse(f"a bounded field takes a size of 1 to 65000 bytes, not {size!r}")
    return size


def field_type(annotation: Any) -> FieldType:
    """The FieldType in an annotation; raises WrongUse for any other."""
    if get_origin(annotation) is Annotated:
        for extra in get_args(annotation)[1:]:
            if isinstance(extra, FieldType):
                return extra
    raise WrongUse(f"{annotation!r} is no field type: use u8 ... i64, f64, text[N] or raw[N] of processor.fields")


CODES: dict[str, FieldType] = {
    kind.code: kind for kind in (field_type(a) for a in (u8, u16, u32, u64, i8, i16, i32, i64, f64))
}


def field_type_of_code(code: str) -> FieldType:
    """The FieldType that a schema's text names, e.g. "u32" or "text[16]"."""
    if code in CODES:
        return CODES[code]
    name, bracket, size = code.partition("[")
    if bracket and size.endswith("]") and size[:-1].isdigit():
        if name == "text":
            return field_type(text.__class_getitem__(int(size[:-1])))
        if name == "raw":
            return field_type(raw.__class_getitem__(int(size[:-1])))
    raise WrongUse(f"unknown field type {code!r} in a schema")
