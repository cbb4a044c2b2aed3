"""From an architecture to functions in memory, by way of an object file that is kept on disk.

LLVM through llvmlite, which is Numba's own way to it. Not Numba itself: its types would have to
be taught what a vector is, its import takes half a second, and its cache knows functions by their
files, of which kernels that are made for an architecture have none.
"""

import ctypes
import hashlib
import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import llvmlite.ir as ir
from torch import Tensor

from src.engines.fused.architecture import Architecture
from src.engines.fused.kernel import (
    MEASURE_NUMBERS,
    MEASURE_POINTERS,
    STEP_NUMBERS,
    STEP_POINTERS,
    Update,
    emit_measure,
    emit_steps,
)

DIGEST = hashlib.sha256().digest_size
LOCK = threading.RLock()  # llvmlite's own calls are not for several threads
SOURCES = (Path(__file__).parent, Path(__file__).parent.parent.parent / "optim")


@dataclass(frozen=True)
class Kernels:
    """The two functions of `kernel`, called with tensors and numbers."""

    steps: Callable[..., None]
    measure: Callable[..., None]
    engine: Any  # the memory they lie in


@cache
def _target() -> llvm.Target:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple()


@cache
def _processor() -> tuple[str, str]:
    """This machine's, and all it can do."""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def _machine() -> llvm.TargetMachine:
    cpu, features = _processor()
    return _target().create_target_machine(cpu=cpu, features=features, opt=3, jit=True)


def compile_object(architecture: Architecture, update: Update, depth: int) -> bytes:
    """An object file with both functions, for this machine's processor."""
    module = ir.Module("kernels")
    emit_steps(module, architecture, update, depth)
    emit_measure(module, architecture, depth)
    return to_object(module)


def to_object(module: ir.Module) -> bytes:
    """An object file with the functions of a module."""
    with LOCK:
        machine = _machine()
        parsed = llvm.parse_assembly(_with_estimates(str(module)))
        parsed.verify()
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        # Vectors are explicit, and loops are unrolled where that pays.
        options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(parsed, builder)
        return machine.emit_object(parsed)


def _with_estimates(text: str) -> str:
    """Divisions that may be approximate go by an estimate: llvmlite has no word for it."""
    return re.sub(r"(?m)^(define .*\))$", r'\1 "reciprocal-estimates"="vec-divf:1"', text)


@cache
def _sources() -> bytes:
    files = sorted(path for folder in SOURCES for path in folder.glob("*.py"))
    return b"".join(path.read_bytes() for path in files)


def key(architecture: Architecture, update: Update, depth: int) -> str:
    """Of a kernel: what it computes, the program that wrote it, the machine that it is for."""
    digest = hashlib.sha256(_sources())
    rule = update.function
    options = ""
    if isinstance(rule, partial):
        rule, options = rule.func, repr(sorted(rule.keywords.items()))
    name = getattr(rule, "__qualname__", "")
    about = (architecture, depth, name, options, update.slots, update.constant, update.varying)
    digest.update(repr((about, llvmlite.__version__, _processor())).encode())
    return digest.hexdigest()[:32]


def folder() -> Path:
    """Where kernels are kept: below the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "small-nets" / "kernels"


def _object(architecture: Architecture, update: Update, depth: int, name: str) -> bytes:
    path = folder() / f"{name}.o"
    if path.is_file():
        whole = path.read_bytes()
        digest, content = whole[:DIGEST], whole[DIGEST:]
        if digest == hashlib.sha256(content).digest():  # LLVM aborts on half a file
            return content
    found = compile_object(architecture, update, depth)
    temporary = path.with_name(f"{name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(hashlib.sha256(found).digest() + found)
        temporary.replace(path)
    except OSError:  # a disk that takes no more: compiled again next time
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return found


_LOADED: dict[str, Kernels] = {}


def load(architecture: Architecture, update: Update, depth: int) -> Kernels:
    """The kernels: from this process, from the disk, or compiled."""
    name = key(architecture, update, depth)
    with LOCK:
        if name not in _LOADED:
            content = _object(architecture, update, depth, name)
            _LOADED[name] = _link(content)
        return _LOADED[name]


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
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
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
