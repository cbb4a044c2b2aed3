"""The files of a part, one of each kind, and its manifest parts/PART.json with their digests.

A part exists when its manifest says that it is whole. The manifest is written twice. The first
time, before the files, it says that the part is not whole: so the files that a killed process
leaves are known as ours. The second time, after the files, it makes the part exist. While files
are replaced, the manifest names both the old and the new digests, and either is right. No lock is
needed: one process writes a part, and a reader that finds a mismatch looks again.
"""

import hashlib
import re
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from small_nets.config.errors import InputError
from small_nets.run.outputs.identity import digest
from small_nets.system.atomic_file import write_whole
from small_nets.system.sealed_json import digest_of, seal, unseal

# Kind of file, which is also its folder -> suffix.
KINDS = {
    "runs": "parquet", "curves": "parquet", "configs": "parquet", "weights": "safetensors",
    "paused": "safetensors",  # only in a rung of a halved sweep
}  # fmt: skip
SWEEP_KINDS = ("runs", "curves", "configs", "weights")  # the kinds of every sweep
MANIFESTS = "parts"  # the folder of the manifests
CORRUPT = "corrupt"  # the folder to which broken files are moved
OUR_PART = re.compile(r"\d{7,}_\d+_[0-9a-f]{8}")
OUR_TEMPORARY = re.compile(r"(.+)\.(?:parquet|safetensors|json)\.[0-9a-f]{8}\.tmp")
# Seconds. A file that changed less than this ago may change again within one tick of its time
# stamp, so its digest is not remembered.
TIME_STAMP_TICK = 1.0
Digests = dict[str, tuple[str, ...]]  # kind -> the digests that its file may have
_digests: dict[Path, tuple[tuple[int, ...], str]] = {}  # path -> its time stamp, its digest
_manifests: dict[Path, tuple[bytes, "Manifest"]] = {}  # path -> content, what it says


@dataclass(frozen=True)
class Manifest:
    """What parts/PART.json says.

    part: the part's name. sweep: the token of its store. runs: their number. files: the digests
    that each file may have. is_whole: whether all files were written.
    """

    part: str
    sweep: str
    runs: int
    files: Digests
    is_whole: bool


def part_name(numbers: Iterable[int], ids: Collection[str]) -> str:
    """A unique name for a part: the first job number, the number of runs, a digest of their ids."""
    return f"{min(numbers):07d}_{len(ids)}_{digest(sorted(ids))[:8]}"


def part_file(directory: Path, kind: str, part: str) -> Path:
    """The path of a part's file of a kind."""
    return directory / kind / f"{part}.{KINDS[kind]}"


def file_digest(path: Path) -> str:
    """The `digest_of` a file's content, remembered until the file changes. Raises OSError."""
    about = path.stat()
    stamp = (about.st_mtime_ns, about.st_size, about.st_ino)
    known = _digests.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    if time.time() - about.st_mtime > TIME_STAMP_TICK:
        _digests[path] = stamp, found
    return found


def refuse_links(directory: Path) -> None:
    """Raises InputError where a folder of the store is a link or a file.

    Through a link we would write and delete elsewhere.
    """
    for name in (*KINDS, MANIFESTS, CORRUPT):
        path = directory / name
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            what = "a link" if path.is_symlink() else "a file"
            raise InputError(
                f"{path} is {what}, but has to be a folder of this sweep.\n"
                "Fix: move it away, or another sweep.dir"
            )


def manifest_file(directory: Path, part: str) -> Path:
    return directory / MANIFESTS / f"{part}.json"


def manifest_names(directory: Path) -> list[str]:
    """The parts that have a manifest, whole or not, in order."""
    return sorted(path.stem for path in (directory / MANIFESTS).glob("*.json"))


def read_manifest(directory: Path, part: str) -> Manifest:
    """Read the manifest of a part. Raises ValueError for a changed one, OSError."""
    path = manifest_file(directory, part)
    content = path.read_bytes()
    known = _manifests.get(path)
    if known is None or known[0] != content:
        known = _manifests[path] = content, _checked(unseal(content), part)
    return known[1]


def _checked(found: Mapping[str, Any], part: str) -> Manifest:
    files = found.get("files")
    is_ours = (
        set(found) == {"part", "sweep", "runs", "files", "is_whole"}
        and isinstance(found["sweep"], str)
        and type(found["runs"]) is int
        and type(found["is_whole"]) is bool
        and isinstance(files, dict)
        and set(files) <= set(KINDS)
        and all(isinstance(d, list) and all(isinstance(t, str) for t in d) for d in files.values())
    )
    if not is_ours or not isinstance(files, dict):
        raise ValueError("it is not the manifest of a part")
    if found["part"] != part:
        raise ValueError(f"it is the manifest of another part ({found['part']})")
    digests = {kind: tuple(some) for kind, some in files.items()}
    return Manifest(part, found["sweep"], found["runs"], digests, found["is_whole"])


def _write(directory: Path, manifest: Manifest) -> None:
    path = manifest_file(directory, manifest.part)
    path.parent.mkdir(exist_ok=True)
    write_whole(path, seal(vars(manifest)))


def write_part(
    directory: Path, part: str, sweep: str, runs: int, files: Mapping[str, bytes]
) -> None:
    """Write a part, or replace the one of this name. Its runs/ file is written last.

    sweep: the token of its store. runs: their number. files: kind -> content. Raises
    FileExistsError where a file that this program did not write is in the way, OSError.
    """
    new: Digests = {kind: (digest_of(content),) for kind, content in files.items()}
    try:
        before = read_manifest(directory, part)
    except FileNotFoundError:
        before = None
    except ValueError as error:
        path = str(manifest_file(directory, part))
        raise FileExistsError(17, f"is in the way: {error}", path) from error
    for kind in files:
        path = part_file(directory, kind, part)
        is_known = before is not None and kind in before.files and not path.is_symlink()
        if not is_known and (path.exists() or path.is_symlink()):
            text = "is in the way, and was not written by this program: move it elsewhere"
            raise FileExistsError(17, text, str(path))
    known: Digests = {} if before is None else before.files
    was_whole = before is not None and before.is_whole
    between = Manifest(part, sweep, runs, _either(known, new), was_whole)
    _write(directory, between)
    _write_files(directory, part, files)
    _write(directory, Manifest(part, sweep, runs, new, is_whole=True))
    for kind in set(known) - set(new):
        delete_known(directory, between, kind)


def rewrite(directory: Path, manifest: Manifest, runs: int, files: Mapping[str, bytes]) -> None:
    """Replace some files of a part. runs: their new number. Raises OSError."""
    new: Digests = {kind: (digest_of(content),) for kind, content in files.items()}
    _write(directory, replace(manifest, files=_either(manifest.files, new)))
    _write_files(directory, manifest.part, files)
    _write(directory, replace(manifest, runs=runs, files=manifest.files | new))


def remove_part(directory: Path, manifest: Manifest) -> None:
    """Delete a part. Its manifest goes last: until then it names what is left to delete."""
    _write(directory, replace(manifest, is_whole=False))
    for kind in manifest.files:
        delete_known(directory, manifest, kind)
    manifest_file(directory, manifest.part).unlink(missing_ok=True)


def delete_known(directory: Path, manifest: Manifest, kind: str) -> None:
    """Delete a file of a part if it has a digest of the manifest. Otherwise it is not ours."""
    path = part_file(directory, kind, manifest.part)
    if not path.is_symlink() and path.is_file() and file_digest(path) in manifest.files[kind]:
        path.unlink()


def settle_digests(directory: Path, manifest: Manifest) -> None:
    """Reduce the manifest to one digest for each file, after a process was killed in between."""
    if any(len(some) > 1 for some in manifest.files.values()):
        now = {kind: (file_digest(part_file(directory, kind, manifest.part)),)
               for kind in manifest.files}  # fmt: skip
        _write(directory, replace(manifest, files=now))


def _write_files(directory: Path, part: str, files: Mapping[str, bytes]) -> None:
    for kind in sorted(files, key=lambda kind: kind == "runs"):
        path = part_file(directory, kind, part)
        path.parent.mkdir(exist_ok=True)  # the first part that pauses makes paused/
        write_whole(path, files[kind])


def _either(old: Digests, new: Digests) -> Digests:
    """The digests that a file may have while the new ones are written."""
    return {kind: tuple(dict.fromkeys((*old.get(kind, ()), *new.get(kind, ()))))
            for kind in {**old, **new}}  # fmt: skip
