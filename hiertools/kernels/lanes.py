"""Sixteen float32 at a time, for compiled loops that LLVM does not cut into vectors by itself.

Each function adds to a block of LLVM's own code and returns the value that will be there. Vectors
wider than those of a machine are halved by LLVM, so this is for all of them. `llvmlite` comes with
numba.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils

LANES = 16
FLOAT, INT = ir.FloatType(), ir.IntType(32)
FLOATS, INTS = ir.VectorType(FLOAT, LANES), ir.VectorType(INT, LANES)
LEAST = -125.0  # below, powers of 2 are those of this exponent: 2e-38
POWERS = (  # of 2^f for f in [-1/2, 1/2], by least squares at Chebyshev's nodes; to 2e-9
    1.0, 0.693147206, 0.240226466, 5.550329e-2, 9.61851953e-3, 1.33998604e-3, 1.53375768e-4,
)  # fmt: skip

Builder = Any
Value = Any


def load(to: Builder, start: Value, at: Value) -> Value:
    """Return 16 numbers from the place `at` of an array on."""
    return to.load(to.bitcast(to.gep(start, [at]), FLOATS.as_pointer()), align=4)


def store(to: Builder, lanes: Value, start: Value, at: Value) -> None:
    """Write 16 numbers."""
    to.store(lanes, to.bitcast(to.gep(start, [at]), FLOATS.as_pointer()), align=4)


def spread(to: Builder, start: Value, at: Value) -> Value:
    """Return one number of an array, 16 times."""
    undefined = ir.Constant(FLOATS, ir.Undefined)
    first = to.insert_element(undefined, to.load(to.gep(start, [at])), ir.Constant(INT, 0))
    return to.shuffle_vector(first, undefined, _ints(0))


def multiply_add(to: Builder, a: Value, b: Value, c: Value) -> Value:
    """Return a b + c, rounded once where the machine can."""
    return _call(to, "fmuladd", a, b, c)


def greater(to: Builder, a: Value, b: Value) -> Value:
    """Return the greater ones; b where one is NaN."""
    return to.select(to.fcmp_ordered(">", a, b), a, b)


def power_of_two(to: Builder, x: Value) -> Value:
    """Return 2^x for x up to 0, to 1e-7; 2^`LEAST` below it, and NaN for NaN."""
    x = greater(to, _floats(LEAST), x)
    whole = _call(to, "rint", x)
    rest, found = to.fsub(x, whole), _floats(POWERS[-1])
    for factor in POWERS[-2::-1]:
        found = multiply_add(to, found, rest, _floats(factor))
    exponent = to.shl(to.fptosi(whole, INTS), _ints(23))
    return to.bitcast(to.add(to.bitcast(found, INTS), exponent), FLOATS)


def zeros() -> Value:
    """Return 16 zeros."""
    return _floats(0.0)


def _call(to: Builder, name: str, *given: Value) -> Value:
    kind = ir.FunctionType(FLOATS, [FLOATS] * len(given))
    function = cgutils.get_or_insert_function(to.module, kind, f"llvm.{name}.v{LANES}f32")
    return to.call(function, given)


def _floats(x: float) -> Value:
    return ir.Constant(FLOATS, [ir.Constant(FLOAT, x)] * LANES)


def _ints(x: int) -> Value:
    return ir.Constant(INTS, [ir.Constant(INT, x)] * LANES)
