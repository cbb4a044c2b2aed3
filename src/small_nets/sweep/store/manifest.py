"""The files of a part, one of a kind, and its manifest, parts/PART.json, with their digests.

Without its manifest a part is not there. It is written twice. Before the files, as one that is not
whole: so whatever a killed process has left is known as ours. And after them, which is the moment
in which the part is there. Where files are replaced, it names the old and the new digests in
between: either is right, whenever we are killed. No lock is needed: a part is written by one
process, and a reader looks again.
"""

import hashlib
import re
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from small_nets.config.errors import InputError
from small_nets.run.outputs.result import digest
from small_nets.system.atomic_file import write_whole
from small_nets.system.sealed_json import digest_of, seal, unseal

KINDS = {
    "runs": "parquet", "curves": "parquet", "configs": "parquet", "weights": "safetensors",
    "paused": "safetensors",  # of a rung alone
}  # fmt: skip
EVERYWHERE = ("runs", "curves", "configs", "weights")
MANIFESTS, ASIDE = "parts", "corrupt"
OUR_PART = re.compile(r"\d{7,}_\d+_[0-9a-f]{8}")
OUR_TEMPORARY = re.compile(r"(.+)\.(?:parquet|safetensors|json)\.[0-9a-f]{8}\.tmp")
SETTLED = 1.0  # seconds: a file changed later than that may change again at the same time
_digests: dict[Path, tuple[tuple[int, ...], str]] = {}
Digests = dict[str, tuple[str, ...]]
_read: dict[Path, tuple[bytes, "Manifest"]] = {}


@dataclass(frozen=True)
class Manifest:
    """sweep: the token of the store that it belongs to. files: kind -> the digests it may have.

    runs: how many. is_whole: whether all files were written.
    """

    part: str
    sweep: str
    runs: int
    files: Digests
    is_whole: bool


def part_name(numbers: Iterable[int], ids: Collection[str]) -> str:
    """Unique, and readable: the first job's number, how many runs, a digest of which."""
    return f"{min(numbers):07d}_{len(ids)}_{digest(sorted(ids))[:8]}"


def part_file(directory: Path, kind: str, part: str) -> Path:
    """The file of a part."""
    return directory / kind / f"{part}.{KINDS[kind]}"


def file_digest(path: Path) -> str:
    """As `digest_of` a file's content, which is read once, until it changes. Raises OSError."""
    about = path.stat()
    stamp = (about.st_mtime_ns, about.st_size, about.st_ino)
    known = _digests.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    if time.time() - about.st_mtime > SETTLED:
        _digests[path] = stamp, found
    return found


def refuse_links(directory: Path) -> None:
    """Raises InputError where a folder of the store is a link: we would write and delete there."""
    for name in (*KINDS, MANIFESTS, ASIDE):
        path = directory / name
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            what = "a link" if path.is_symlink() else "a file"
            raise InputError(
                f"{path} is {what}, where a sweep has a folder of its own.\n"
                "Fix: move it away, or another sweep.dir"
            )


def manifest_file(directory: Path, part: str) -> Path:
    return directory / MANIFESTS / f"{part}.json"


def manifest_names(directory: Path) -> list[str]:
    """The parts that have one, whole or not, in order."""
    return sorted(path.stem for path in (directory / MANIFESTS).glob("*.json"))


def read_manifest(directory: Path, part: str) -> Manifest:
    """Raises ValueError where it is not what was written, OSError."""
    path = manifest_file(directory, part)
    content = path.read_bytes()
    known = _read.get(path)
    if known is None or known[0] != content:
        known = _read[path] = content, _checked(unseal(content), part)
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
        raise ValueError("it is no manifest of a part")
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
    """Write a part, in place of one of that name; runs/ last of its files.

    Raises FileExistsError where a file that is none of ours is in the way, OSError.
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
    intent = Manifest(part, sweep, runs, _both(known, new), before is not None and before.is_whole)
    _write(directory, intent)
    _write_files(directory, part, files)
    _write(directory, Manifest(part, sweep, runs, new, is_whole=True))
    for kind in set(known) - set(new):
        delete_known(directory, intent, kind)


def rewrite(directory: Path, manifest: Manifest, runs: int, files: Mapping[str, bytes]) -> None:
    """Replace some files of a part. Raises OSError."""
    new: Digests = {kind: (digest_of(content),) for kind, content in files.items()}
    _write(directory, replace(manifest, files=_both(manifest.files, new)))
    _write_files(directory, manifest.part, files)
    _write(directory, replace(manifest, runs=runs, files=manifest.files | new))


def remove_part(directory: Path, manifest: Manifest) -> None:
    """Delete a part, its manifest last: until then it says what is left to be deleted."""
    _write(directory, replace(manifest, is_whole=False))
    for kind in manifest.files:
        delete_known(directory, manifest, kind)
    manifest_file(directory, manifest.part).unlink(missing_ok=True)


def delete_known(directory: Path, manifest: Manifest, kind: str) -> None:
    """Delete a file of a part, if it is what the manifest says; else it is not ours."""
    path = part_file(directory, kind, manifest.part)
    if not path.is_symlink() and path.is_file() and file_digest(path) in manifest.files[kind]:
        path.unlink()


def settle_digests(directory: Path, manifest: Manifest) -> None:
    """One digest for each file again, after a process was killed as it replaced some."""
    if any(len(some) > 1 for some in manifest.files.values()):
        now = {kind: (file_digest(part_file(directory, kind, manifest.part)),)
               for kind in manifest.files}  # fmt: skip
        _write(directory, replace(manifest, files=now))


def _write_files(directory: Path, part: str, files: Mapping[str, bytes]) -> None:
    for kind in sorted(files, key=lambda kind: kind == "runs"):
        path = part_file(directory, kind, part)
        path.parent.mkdir(exist_ok=True)  # paused/ is made by the first who pauses
        write_whole(path, files[kind])


def _both(old: Digests, new: Digests) -> Digests:
    return {kind: tuple(dict.fromkeys((*old.get(kind, ()), *new.get(kind, ()))))
            for kind in {**old, **new}}  # fmt: skip
