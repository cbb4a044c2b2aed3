"""LLVM's text to an object file, for this machine's processor.

As a program of its own it reads the one and writes the other, so that several kernels are compiled
at the same time: LLVM's calls are not for several threads. It imports nothing but llvmlite.
"""

import re
import sys
from functools import cache

import llvmlite.binding as llvm


@cache
def _target() -> llvm.Target:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple()


@cache
def processor() -> tuple[str, str]:
    """This machine's, and all it can do."""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def machine() -> llvm.TargetMachine:
    cpu, features = processor()
    return _target().create_target_machine(cpu=cpu, features=features, opt=3, jit=True)


def assemble(text: str) -> bytes:
    """An object file with the functions of a module's text."""
    target = machine()
    parsed = llvm.parse_assembly(_with_estimates(text))
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    # Vectors are explicit, and loops are unrolled where that pays.
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(parsed, builder)
    return target.emit_object(parsed)


def _with_estimates(text: str) -> str:
    """Divisions that may be approximate go by an estimate: llvmlite has no word for it."""
    return re.sub(r"(?m)^(define .*\))$", r'\1 "reciprocal-estimates"="vec-divf:1"', text)


if __name__ == "__main__":
    sys.stdout.buffer.write(assemble(sys.stdin.buffer.read().decode()))
