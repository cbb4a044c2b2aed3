"""safetensors files: named tensors, and a text for each name of their metadata."""

import errno
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save, save_file
from torch import Tensor


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str] | None = None
) -> None:
    """Raises OSError."""
    try:
        save_file(dict(tensors), path, metadata=None if about is None else dict(about))
    except SafetensorError as error:  # its way to say that the system refused
        raise OSError(errno.EIO, str(error), str(path)) from error


def tensors_to_bytes(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> bytes:
    """The content of the file that `write_tensors` would write."""
    return save(dict(tensors), metadata=dict(about))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors, and the metadata. Raises SafetensorError, OSError."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, file.metadata() or {}
