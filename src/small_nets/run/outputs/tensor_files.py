"""safetensors files: named tensors, and a text for each name of their metadata."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from small_nets.system.atomic_file import write_whole
from small_nets.system.sealed_json import digest_of

DIGEST = "digest"  # a name of the metadata
ALIGNED = 8  # bytes that the header is a multiple of, so that the numbers begin at one


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str] | None = None,
    sync: bool = True,
) -> None:  # fmt: skip
    """Written whole; sync: as `write_whole` has it. Raises OSError."""
    write_whole(path, tensors_to_bytes(tensors, about or {}), sync)


def tensors_to_bytes(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> bytes:
    """The content of the file that `write_tensors` would write: the same for the same input."""
    found = save(dict(tensors), metadata=dict(about) or None)
    if len(about) < 2:
        return found
    # The library takes its metadata from a map that gives another order in each process.
    length = int.from_bytes(found[:8], "little")
    header = json.loads(found[8 : 8 + length])
    header["__metadata__"] = dict(sorted(about.items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNED)
    return b"".join((len(text).to_bytes(8, "little"), text, memoryview(found)[8 + length :]))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors, and the metadata. Raises SafetensorError, OSError."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, file.metadata() or {}


def seal_tensors(
    tensors: Mapping[str, Tensor], about: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The metadata with a digest of itself and of the tensors, for a file that stands alone."""
    found = dict(about or {})
    return found | {DIGEST: _digest(tensors, found)}


def read_sealed(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What was written with `seal_tensors`. Raises SafetensorError, ValueError, OSError."""
    tensors, about = read_tensors(path)
    digest = about.pop(DIGEST, None)
    if digest is None:
        raise ValueError("it carries no digest of its content")
    if digest != _digest(tensors, about):
        raise ValueError("it was changed after it was written")
    return tensors, about


def _digest(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> str:
    shapes = [[name, str(t.dtype), list(t.shape)] for name, t in sorted(tensors.items())]
    head = json.dumps([shapes, dict(sorted(about.items()))]).encode()
    numbers = (tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy()
               for name in sorted(tensors))  # fmt: skip
    return digest_of(b"".join([head, *(values.tobytes() for values in numbers)]))
