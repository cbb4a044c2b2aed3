"""From an architecture to functions in memory, by way of an object file that is kept on disk.

LLVM through llvmlite, which is Numba's own way to it. Not Numba itself: its types would have to
be taught what a vector is, its import takes half a second, and its cache knows functions by their
files, of which kernels that are made for an architecture have none.
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
LOCK = threading.RLock()  # llvmlite's own calls are not for several threads
# Below the package, all that a kernel is written by.
SOURCES = ("config/components.py", "engines/*.py", "engines/fused/**/*.py", "nn/*.py")


@dataclass(frozen=True)
class Kernels:
    """The two functions of `kernel`, called with tensors and numbers."""

    steps: Callable[..., None]
    measure: Callable[..., None]
    engine: Any  # the memory they lie in


@dataclass(frozen=True)
class Wanted:
    """What kernels are asked for. depth: vectors of a block, see `network.depth_for`."""

    architecture: Architecture
    update: Update
    depth: int

    @cached_property
    def key(self) -> str:
        """What it computes, the program that wrote it, the machine that it is for."""
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
        """Both functions, in LLVM's words. Raises CannotFuse for what vector lanes cannot do."""
        module = ir.Module("kernels")
        emit_steps(module, self.architecture, self.update, self.depth)
        emit_measure(module, self.architecture, self.depth)
        return str(module)


def compile_object(wanted: Wanted) -> bytes:
    """An object file with both functions, for this machine's processor."""
    with LOCK:
        return assemble(wanted.text)


@cache
def _sources() -> bytes:
    files = sorted(path for pattern in SOURCES for path in PACKAGE.glob(pattern))
    return b"".join(path.read_bytes() for path in files)


_LOADED: dict[str, Kernels] = {}


def load(wanted: Wanted) -> Kernels:
    """The kernels: from this process, from the disk, or compiled."""
    with LOCK:
        if wanted.key not in _LOADED:
            content = stored(folder(), wanted.key)
            if content is None:
                content = compile_object(wanted)
                store(folder(), wanted.key, content)
            _LOADED[wanted.key] = _link(content)
        return _LOADED[wanted.key]


def is_there(wanted: Wanted) -> bool:
    """Whether it was compiled before, here or by another process."""
    return wanted.key in _LOADED or stored(folder(), wanted.key) is not None


def compile_all(several: Iterable[Wanted], workers: int) -> None:
    """Compile what is not there yet, so many at the same time."""
    missing = {w.key: w for w in several if not is_there(w)}
    if len(missing) < 2 or workers < 2:
        return  # where it is asked for
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(_compile_apart, missing.values()))


def _compile_apart(wanted: Wanted) -> None:
    """In a process of its own. What fails there fails again, with its message, where it is used."""
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
    """The memory that an object file's functions lie in, as long as this is kept."""
    with LOCK:
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine())
        engine.add_object_file(llvm.ObjectFileRef.from_data(content))
        engine.finalize_object()
        return engine


def function(engine: Any, name: str, pointers: int, numbers: int) -> Callable[..., None]:
    """A function of so many tensors, then so many whole numbers."""
    kinds = [ctypes.c_void_p] * pointers + [ctypes.c_int64] * numbers
    # ctypes lets go of Python's lock while the function runs.
    bare = ctypes.CFUNCTYPE(None, *kinds)(engine.get_function_address(name))

    def call(*values: Tensor | int) -> None:
        bare(*(_address(v) if isinstance(v, Tensor) else v for v in values))

    return call


def _address(values: Tensor) -> int:
    assert values.is_contiguous(), "a kernel walks through memory"
    return values.data_ptr()
