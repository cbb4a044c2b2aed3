"""Compiles LLVM's text to an object file for this machine's processor.

It also runs as a program that reads the text and writes the object file. So several kernels are
compiled at the same time, although LLVM's calls are not for several threads. It imports only
llvmlite.
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
    """The name of this machine's processor, and its features."""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def machine() -> llvm.TargetMachine:
    """LLVM's target for this machine's processor."""
    cpu, features = processor()
    return _target().create_target_machine(cpu=cpu, features=features, opt=3, jit=True)


def assemble(text: str) -> bytes:
    """Compile the text of a module to an object file."""
    target = machine()
    parsed = llvm.parse_assembly(_with_estimates(text))
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    # The text has explicit vectors, and its loops are unrolled already where that pays.
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(parsed, builder)
    return target.emit_object(parsed)


def _with_estimates(text: str) -> str:
    """Let approximate divisions use the processor's estimate. llvmlite has no option for that."""
    return re.sub(r"(?m)^(define .*\))$", r'\1 "reciprocal-estimates"="vec-divf:1"', text)


if __name__ == "__main__":
    sys.stdout.buffer.write(assemble(sys.stdin.buffer.read().decode()))
