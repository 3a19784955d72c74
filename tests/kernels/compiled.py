"""Compiles Triton kernels for a GPU that need not be there: the interpreter takes more than it."""

from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from triton.runtime import JITFunction

HOPPER = GPUTarget("cuda", 90, 32)
SHARED_BYTES = 227 << 10  # what a program may have of an H100


def compiled(kernel, types, constants, *, entry=0):
    """Compile a kernel with an entry of its table, and return what became of it.

    types: Triton's names of the types of arguments, such as *fp32 and i32; constants: values of
    those that are `tl.constexpr`, but for the blocks of a tuned kernel. Names that the kernel has
    not are left out.
    """
    blocks, options = {}, {}
    if hasattr(kernel, "configs"):
        config = kernel.configs[entry]
        blocks = config.kwargs
        options = {"num_warps": config.num_warps, "num_stages": config.num_stages}
    while not isinstance(kernel, JITFunction):
        kernel = kernel.fn
    names = kernel.arg_names
    constants = {name: v for name, v in {**constants, **blocks}.items() if name in names}
    given = {name: types.get(name, "constexpr") for name in names}
    made = compile(ASTSource(kernel, given, constants), target=HOPPER, options=options)
    assert made.metadata.shared <= SHARED_BYTES
    return made
