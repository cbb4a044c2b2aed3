"""Compiles the kernels of an architecture, and loads them. Object files are kept on disk.

It uses LLVM through llvmlite, as Numba does. Numba itself is not used: it has no type for vectors,
its import takes half a second, and its cache finds functions by their source files, which
generated kernels do not have.
"""

import ctypes
import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import llvmlite.ir as ir
from torch import Tensor

from small_nets.engines.fused import assembler
from small_nets.engines.fused.assembler import assemble, machine, processor
from small_nets.engines.fused.codegen.architecture import Architecture
from small_nets.engines.fused.codegen.kernel import (
    MEASURE_NUMBERS,
    MEASURE_POINTERS,
    STEP_NUMBERS,
    STEP_POINTERS,
    Update,
    emit_measure,
    emit_steps,
)
from small_nets.engines.fused.kernel_cache import folder, store, stored
from small_nets.system.command_names import PACKAGE

ASSEMBLE = Path(assembler.__file__)
LOCK = threading.RLock()  # llvmlite's calls are not for several threads
# The files of the package on which a kernel's text depends.
SOURCES = ("config/components.py", "engines/*.py", "engines/fused/**/*.py", "nn/*.py")


@dataclass(frozen=True)
class Kernels:
    """The two functions of a kernel, to be called with tensors and numbers: see `kernel`."""

    steps: Callable[..., None]
    measure: Callable[..., None]
    engine: Any  # keeps the functions in memory


@dataclass(frozen=True)
class Wanted:
    """The kernels that are needed. depth: vectors of a block, see `network.depth_for`."""

    architecture: Architecture
    update: Update
    depth: int

    @cached_property
    def key(self) -> str:
        """A digest of what the kernels compute, of the code that generates them, of the machine."""
        digest = hashlib.sha256(_sources())
        rule = self.update.function
        options = ""
        if isinstance(rule, partial):
            rule, options = rule.func, repr(sorted(rule.keywords.items()))
        name = getattr(rule, "__qualname__", "")
        names = (self.update.slots, self.update.constant, self.update.varying)
        about = (self.architecture, self.depth, name, options, *names)
        digest.update(repr((about, llvmlite.__version__, processor())).encode())
        return digest.hexdigest()[:32]

    @cached_property
    def text(self) -> str:
        """Both functions as LLVM's text. Raises CannotFuse for what vector lanes cannot do."""
        module = ir.Module("kernels")
        emit_steps(module, self.architecture, self.update, self.depth)
        emit_measure(module, self.architecture, self.depth)
        return str(module)


def compile_object(wanted: Wanted) -> bytes:
    """Compile both functions to an object file for this machine's processor."""
    with LOCK:
        return assemble(wanted.text)


@cache
def _sources() -> bytes:
    files = sorted(path for pattern in SOURCES for path in PACKAGE.glob(pattern))
    return b"".join(path.read_bytes() for path in files)


_LOADED: dict[str, Kernels] = {}


def load(wanted: Wanted) -> Kernels:
    """The kernels: loaded before, read from the disk, or compiled now."""
    with LOCK:
        if wanted.key not in _LOADED:
            content = stored(folder(), wanted.key)
            if content is None:
                content = compile_object(wanted)
                store(folder(), wanted.key, content)
            _LOADED[wanted.key] = _link(content)
        return _LOADED[wanted.key]


def is_there(wanted: Wanted) -> bool:
    """Whether these kernels were compiled before, here or by another process."""
    return wanted.key in _LOADED or stored(folder(), wanted.key) is not None


def compile_all(several: Iterable[Wanted], workers: int) -> None:
    """Compile kernels that are missing, `workers` at a time."""
    missing = {w.key: w for w in several if not is_there(w)}
    if len(missing) < 2 or workers < 2:
        return  # `load` compiles it
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(_compile_apart, missing.values()))


def _compile_apart(wanted: Wanted) -> None:
    """Compile in a process of its own. A failure is ignored: `load` will meet it again."""
    done = subprocess.run(
        [sys.executable, "-P", str(ASSEMBLE)], input=wanted.text.encode(), capture_output=True
    )
    if done.returncode == 0:
        store(folder(), wanted.key, done.stdout)


def _link(content: bytes) -> Kernels:
    engine = link(content)
    return Kernels(
        function(engine, "steps", len(STEP_POINTERS), len(STEP_NUMBERS)),
        function(engine, "measure", len(MEASURE_POINTERS), len(MEASURE_NUMBERS)),
        engine,
    )


def link(content: bytes) -> Any:
    """Load an object file. Its functions exist as long as the result is kept."""
    with LOCK:
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine())
        engine.add_object_file(llvm.ObjectFileRef.from_data(content))
        engine.finalize_object()
        return engine


def function(engine: Any, name: str, pointers: int, numbers: int) -> Callable[..., None]:
    """A loaded function that takes `pointers` tensors, then `numbers` whole numbers."""
    kinds = [ctypes.c_void_p] * pointers + [ctypes.c_int64] * numbers
    # ctypes releases Python's lock while the function runs.
    bare = ctypes.CFUNCTYPE(None, *kinds)(engine.get_function_address(name))

    def call(*values: Tensor | int) -> None:
        bare(*(_address(v) if isinstance(v, Tensor) else v for v in values))

    return call


def _address(values: Tensor) -> int:
    assert values.is_contiguous(), "a kernel walks through memory"
    return values.data_ptr()
