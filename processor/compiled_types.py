"""What Numba has to know of the core: the context of a handler, outputs, and integers that do not wrap (see
compiled.py).

The offsets are those of struct Context in logic/native.pxd; tests/logic/test_compiled.py would crash on others.
"""

from __future__ import annotations

import inspect
import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core import ir as numba_ir
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.errors import TypingError
from numba.core.ir_utils import mk_unique_var
from numba.core.untyped_passes import IRProcessing
from numba.extending import (
    intrinsic,
    lower_builtin,
    models,
    overload,
    overload_attribute,
    overload_method,
    register_model,
    type_callable,
)

from processor import checked
from processor.schema import Message

NOW, EMIT, REJECT = 8, 24, 32  # offsets in struct Context
BYTE, I16, I32, I64, I128 = (ir.IntType(bits) for bits in (8, 16, 32, 64, 128))
POINTER = BYTE.as_pointer()
REASON_BYTES_MAX = 4096


@intrinsic
def as_pointer(typingctx: Any, address: Any) -> Any:
    """An address as a pointer to anything."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], POINTER)

    return types.voidptr(types.uintp), code


# ---- the context


class ContextType(types.Type):
    def __init__(self) -> None:
        super().__init__("processor.Context")


CONTEXT = ContextType()


@register_model(ContextType)
class ContextModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, POINTER)


@intrinsic
def as_context(typingctx: Any, pointer: Any) -> Any:
    """A pointer to struct Context as the `ctx` of handlers."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return arguments[0]

    return CONTEXT(types.voidptr), code


def _member(builder: Any, pointer: Any, offset: int, kind: Any) -> Any:
    place = builder.gep(pointer, [ir.Constant(I32, offset)])
    return builder.load(builder.bitcast(place, kind.as_pointer()))


@intrinsic
def _now(typingctx: Any, ctx: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _member(builder, arguments[0], NOW, I64)

    return types.int64(ctx), code


@overload_attribute(ContextType, "now")
def _context_now(ctx: Any) -> Any:
    def now(ctx: Any) -> Any:
        return _now(ctx)

    return now


@intrinsic
def _emit(typingctx: Any, ctx: Any, output: Any) -> Any:
    if not isinstance(output, OutputType):
        raise TypingError(f"emit takes an instance of a class declared with @app.output, not {output}")
    message = output.message
    offsets: Any = message.dtype.fields

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        room = cgutils.alloca_once(builder, ir.ArrayType(BYTE, max(1, message.length)))
        builder.store(ir.Constant(room.type.pointee, None), room)
        payload = builder.bitcast(room, POINTER)
        for k, name in enumerate(message.fields):
            place = builder.gep(payload, [ir.Constant(I32, offsets[name][1])])
            value = builder.extract_value(arguments[1], k)
            builder.store(value, builder.bitcast(place, value.type.as_pointer()), align=1)
        kind = ir.FunctionType(I32, [POINTER, I16, POINTER, I16])
        function = _member(builder, arguments[0], EMIT, kind.as_pointer())
        return builder.call(
            function, [arguments[0], ir.Constant(I16, message.number), payload, ir.Constant(I16, message.length)]
        )

    return types.int32(ctx, output), code


@overload_method(ContextType, "emit")
def _context_emit(ctx: Any, output: Any) -> Any:
    def emit(ctx: Any, output: Any) -> Any:
        if _emit(ctx, output) < 0:
            raise RuntimeError("an output behind a rejection, more than 65535 of them, or memory is short")

    return emit


@intrinsic(prefer_literal=True)
def _reject(typingctx: Any, ctx: Any, reason: Any) -> Any:
    if not isinstance(reason, types.StringLiteral):
        raise TypingError("a compiled handler rejects with a constant text")
    text = reason.literal_value.encode()[:REASON_BYTES_MAX]

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        constant = context.insert_const_bytes(builder.module, text)
        kind = ir.FunctionType(I32, [POINTER, POINTER, I16])
        function = _member(builder, arguments[0], REJECT, kind.as_pointer())
        return builder.call(function, [arguments[0], builder.bitcast(constant, POINTER), ir.Constant(I16, len(text))])

    return types.int32(ctx, reason), code


@overload_method(ContextType, "reject", prefer_literal=True)
def _context_reject(ctx: Any, reason: Any) -> Any:
    def reject(ctx: Any, reason: Any) -> Any:
        if _reject(ctx, reason) < 0:
            raise RuntimeError("reject comes instead of outputs, and once: check first, then change and emit")

    return reject


# ---- outputs


class OutputType(types.Type):
    """An instance of an output class: its fields, each as its payload has it."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(f"processor.Output({message.describe()})")


@register_model(OutputType)
class OutputModel(models.StructModel):
    def __init__(self, manager: Any, kind: OutputType) -> None:
        members = [(name, _field_type(kind.message, name)) for name in kind.message.fields]
        super().__init__(manager, kind, members)


def _field_type(message: Message, name: str) -> Any:
    kind = message.fields[name].dtype
    if kind.kind not in "iuf":
        raise TypingError(f"{message.name}.{name} is {message.fields[name].code}: compiled handlers emit numbers only")
    return getattr(types, np.dtype(kind).name)


_declared: dict[type, Message] = {}


def declare_output(cls: type, message: Message) -> None:
    """Makes `cls(...)` in compiled code an output; numbers that do not fit their field raise OverflowError."""
    if cls in _declared:
        return
    _declared[cls] = message
    kind = OutputType(message)
    names = list(message.fields)

    @type_callable(cls)
    def typed(context: Any) -> Any:
        shape = inspect.Signature([inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names])

        def typer(*given: Any, **named: Any) -> Any:
            for name, argument in shape.bind(*given, **named).arguments.items():
                wanted = _field_type(message, name)
                fits = (
                    (types.Integer, types.Boolean)
                    if isinstance(wanted, types.Integer)
                    else (types.Number, types.Boolean)
                )
                if not isinstance(types.unliteral(argument), fits):
                    raise TypingError(f"{message.name}.{name} is {message.fields[name].code}; got {argument}")
            return kind

        typer.__signature__ = shape
        return typer

    @lower_builtin(cls, *[types.Any] * len(names))
    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = cgutils.create_struct_proxy(kind)(context, builder)
        for name, given, value in zip(names, signature.args, arguments, strict=True):
            wanted = _field_type(message, name)
            if isinstance(wanted, types.Integer):
                _check_fits(context, builder, types.unliteral(given), value, wanted, f"{message.name}.{name}")
            setattr(made, name, context.cast(builder, value, given, wanted))
        return made._getvalue()


def _check_fits(context: Any, builder: Any, given: Any, value: Any, wanted: Any, name: str) -> None:
    signed = getattr(given, "signed", False)
    wide = builder.sext(value, I128) if signed else builder.zext(value, I128)
    low = builder.icmp_signed("<", wide, ir.Constant(I128, int(wanted.minval)))
    high = builder.icmp_signed(">", wide, ir.Constant(I128, int(wanted.maxval)))
    with builder.if_then(builder.or_(low, high), likely=False):
        context.call_conv.return_user_exc(builder, OverflowError, (f"{name} is {wanted}: the number does not fit",))


# ---- integers that do not wrap


def _common(a: Any, b: Any) -> Any:
    """int64 or uint64 for two integers, None for anything else."""
    kinds = [types.unliteral(kind) for kind in (a, b)]
    if not all(isinstance(kind, types.Integer) for kind in kinds):
        return None
    if all(not kind.signed for kind in kinds):
        return types.uint64
    if types.uint64 in kinds:
        other = b if kinds[0] == types.uint64 else a
        if isinstance(other, types.IntegerLiteral) and other.literal_value >= 0:
            return types.uint64
        raise TypingError(
            "u64 and a signed integer have no common type: convert one of them, with np.int64(x) or np.uint64(x)"
        )
    return types.int64


def _operation(name: str) -> Any:
    @intrinsic(prefer_literal=True)
    def run(typingctx: Any, a: Any, b: Any) -> Any:
        kind = _common(a, b)

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            left, right = (
                context.cast(builder, value, given, kind)
                for value, given in zip(arguments, signature.args, strict=True)
            )
            both = getattr(builder, f"{'s' if kind.signed else 'u'}{name}_with_overflow")(left, right)
            with builder.if_then(builder.extract_value(both, 1), likely=False):
                context.call_conv.return_user_exc(builder, OverflowError, (f"{name} does not fit {kind}",))
            return builder.extract_value(both, 0)

        return kind(a, b), code

    return run


CHECKED: dict[Any, Any] = {}  # operator -> what compiled handlers do instead


def _provide(name: str, plain: Any, in_place: Any, public: Any) -> None:
    run = _operation(name)

    def either(a: Any, b: Any) -> Any:
        raise NotImplementedError("compiled code only")

    def either_in_place(a: Any, b: Any) -> Any:
        raise NotImplementedError("compiled code only")

    for function, otherwise in ((either, plain), (either_in_place, in_place), (public, None)):

        def chosen(a: Any, b: Any, otherwise: Any = otherwise) -> Any:
            if _common(a, b) is not None:
                return lambda a, b: run(a, b)
            return None if otherwise is None else lambda a, b: otherwise(a, b)

        overload(function, prefer_literal=True)(_two(chosen))
    CHECKED[plain], CHECKED[in_place] = either, either_in_place


def _two(chosen: Any) -> Any:
    return lambda a, b: chosen(a, b)


_provide("add", operator.add, operator.iadd, checked.add)
_provide("sub", operator.sub, operator.isub, checked.subtract)
_provide("mul", operator.mul, operator.imul, checked.multiply)


@register_pass(mutates_CFG=False, analysis_only=False)
class CheckIntegers(FunctionPass):
    """Puts a checked call in the place of each +, - and *."""

    _name = "processor_check_integers"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        for block in state.func_ir.blocks.values():
            body = []
            for statement in block.body:
                value = getattr(statement, "value", None)
                if (
                    isinstance(statement, numba_ir.Assign)
                    and isinstance(value, numba_ir.Expr)
                    and (value.op in ("binop", "inplace_binop") and value.fn in CHECKED)
                ):
                    function = numba_ir.Var(block.scope, mk_unique_var("$checked"), statement.loc)
                    named = numba_ir.Global("checked", CHECKED[value.fn], statement.loc)
                    body.append(numba_ir.Assign(named, function, statement.loc))
                    state.func_ir._definitions[function.name] = [named]
                    statement.value = numba_ir.Expr.call(function, [value.lhs, value.rhs], (), statement.loc)
                    state.func_ir._definitions[statement.target.name] = [
                        statement.value if found is value else found
                        for found in state.func_ir._definitions[statement.target.name]
                    ]
                body.append(statement)
            block.body = body
        return True


class Checked(CompilerBase):
    """Numba's own way, with CheckIntegers behind the first look at the code."""

    def define_pipelines(self) -> list[Any]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(CheckIntegers, IRProcessing)
        passes.finalize()
        return [passes]
