"""Reads and writes safetensors files: named tensors, with metadata that maps names to texts."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from small_nets.system.atomic_file import write_whole
from small_nets.system.sealed_json import digest_of

DIGEST = "digest"  # the name of the digest in the metadata
ALIGNED = 8  # the header's length is a multiple of so many bytes, which aligns the numbers


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str] | None = None,
    sync: bool = True,
) -> None:  # fmt: skip
    """Write tensors with metadata. sync: see `write_whole`. Raises OSError."""
    write_whole(path, tensors_to_bytes(tensors, about or {}), sync)


def tensors_to_bytes(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> bytes:
    """The content of a safetensors file. The same input gives the same bytes."""
    found = save(dict(tensors), metadata=dict(about) or None)
    if len(about) < 2:
        return found
    # The library writes metadata in an order that differs between processes, so it is sorted.
    length = int.from_bytes(found[:8], "little")
    header = json.loads(found[8 : 8 + length])
    header["__metadata__"] = dict(sorted(about.items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNED)
    return b"".join((len(text).to_bytes(8, "little"), text, memoryview(found)[8 + length :]))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and the metadata. Raises SafetensorError, OSError."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, file.metadata() or {}


def seal_tensors(
    tensors: Mapping[str, Tensor], about: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The metadata with a digest of itself and of the tensors."""
    found = dict(about or {})
    return found | {DIGEST: _digest(tensors, found)}


def read_sealed(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a file with metadata of `seal_tensors`, and check its digest.

    Raises ValueError where the digest is missing or does not match, SafetensorError, OSError.
    """
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
