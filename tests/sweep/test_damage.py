"""A store whose files were damaged: no reader believes one, and the same command repairs it."""

import io
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from small_nets.commands import predict, report
from small_nets.commands.python_api import call
from small_nets.config.errors import InputError
from small_nets.sweep.store.manifest import manifest_file, part_file
from small_nets.sweep.store.store import Store
from tests.conftest import quiet

GRID = ("+experiment=temperature_mlp", "trainer.max_epochs=6", "seed=0,1", "optimizer=sgd,adam",
        "logger=none", "sweep.directories=0")  # fmt: skip
KINDS = ("sweep.json", "parts", "runs", "curves", "configs", "weights")


def swept(directory: Path, *more: str) -> str:
    console = quiet()
    call([f"sweep.dir={directory}", *GRID, *more], console)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sweep of two parts."""
    directory = tmp_path_factory.mktemp("whole") / "sweep"
    swept(directory)
    for folder in directory.glob("[0-9]*"):
        shutil.rmtree(folder)
    return directory


def files(directory: Path) -> list[Path]:
    """Those that a reader reads, by their paths below the sweep."""
    found = [p for kind in KINDS for p in (directory / kind, *(directory / kind).glob("*"))]
    return sorted(p.relative_to(directory) for p in found if p.is_file())


@dataclass
class Said:
    """What a command answered."""

    code: int
    text: str


def run(command: Callable[[list[str]], object], *words: object) -> Said:
    """In this process; a traceback is a failure of the test."""
    out = io.StringIO()
    code = 0
    with redirect_stdout(out), redirect_stderr(out):
        try:
            command([str(word) for word in words])
        except SystemExit as error:
            code = int(error.code or 0)
    return Said(code, " ".join(out.getvalue().split()))


def readings(directory: Path) -> Iterator[tuple[str, Said, object]]:
    """Each reader's name, what it said, and the numbers that it gave."""
    said = run(report.main, directory, "--format", "csv")
    table = directory / "runs.csv"
    yield "report", said, table.read_text() if table.exists() else None
    table.unlink(missing_ok=True)
    (directory / "ranking.csv").unlink(missing_ok=True)
    for job in (0, 3):
        said = run(predict.main, directory / str(job), "--inputs", "[[50.0]]")
        yield f"predict {job}", said, said.text if said.code == 0 else None


def damage(directory: Path, how: str, draw: random.Random) -> list[str]:
    """The names of the files that are now others."""
    names = files(directory)
    name = draw.choice(names)
    path = directory / name
    content = path.read_bytes()
    if how == "bit":
        changed = bytearray(content)
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
    elif how == "cut":
        path.write_bytes(content[: draw.randrange(len(content))])
    elif how == "gone":
        path.unlink()
    elif how == "swapped":
        other = directory / draw.choice([n for n in names if n != name])
        path.write_bytes(other.read_bytes())
        other.write_bytes(content)
        return [name.name, str(other.relative_to(directory))]
    return [str(name)]


@pytest.fixture(scope="module")
def numbers_of_whole(whole: Path) -> dict[str, object]:
    """What each reader reads in it."""
    return {name: numbers for name, _, numbers in readings(whole)}


def no_reader_believes_a_damaged_file(
    whole: Path, numbers_of_whole: dict[str, object], tmp_path_factory: pytest.TempPathFactory,
    how: str, seed: int,
) -> None:  # fmt: skip
    """The same answer as before, or the file is named: never another number, or a traceback."""
    directory = tmp_path_factory.mktemp("damaged") / "sweep"
    shutil.copytree(whole, directory)
    names = damage(directory, how, random.Random(seed))
    for reader, said, numbers in readings(directory):
        is_named = any(Path(name).name in said.text for name in names)
        assert is_named or numbers == numbers_of_whole[reader], (reader, names, said)
        assert "Traceback" not in said.text
    text = swept(directory)
    assert_frame_equal(Store(directory).read().drop("seconds"), Store(whole).read().drop("seconds"))
    curves = [Store(d).curves().sort("run_id", "step") for d in (directory, whole)]
    assert_frame_equal(*curves)
    assert any(Path(name).name in text for name in names)
    assert Store(directory).lost() == []


@pytest.mark.more
@pytest.mark.parametrize("count", [2, pytest.param(20, marks=pytest.mark.more)])
def test_no_reader_believes_a_damaged_file(
    count: int, whole: Path, numbers_of_whole: dict[str, object],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    @given(st.sampled_from(["bit", "bit", "cut", "gone", "swapped"]), st.integers(0, 2**32))
    @settings(max_examples=count, deadline=None)
    @example("swapped", 14206010)  # sweep.json and the manifest of a part, both of them whole
    def damaged(how: str, seed: int) -> None:
        no_reader_believes_a_damaged_file(whole, numbers_of_whole, tmp_path_factory, how, seed)

    damaged()


def parts(directory: Path) -> list[str]:
    return Store(directory).parts()


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "sweep")
    return tmp_path / "sweep"


@pytest.mark.every(3)
@pytest.mark.parametrize("kind", ["parts", "runs", "curves", "configs", "weights"])
def test_an_empty_file_is_named(copy: Path, kind: str) -> None:
    part = parts(copy)[0]
    path = manifest_file(copy, part) if kind == "parts" else part_file(copy, kind, part)
    path.write_bytes(b"")
    said = run(report.main, copy)
    assert said.code == 0
    assert f"left out: {path} " in said.text
    for text in ((copy / "report.html").read_text(), swept(copy)):
        assert f"{path} " in text
    assert len(Store(copy).read()) == 4


def test_a_part_of_another_sweep(copy: Path, whole: Path, tmp_path: Path) -> None:
    """Whole in itself, manifest and all; with other runs, or the same ones."""
    other = tmp_path / "other"
    swept(other, "optimizer=rmsprop")
    for path in (other / "parts", *(other / kind for kind in ("runs", "curves", "configs"))):
        for file in path.iterdir():
            shutil.copy(file, copy / path.name / file.name)
    said = run(report.main, copy)
    assert said.code == 0
    assert "belongs to another sweep" in said.text
    assert len(Store(copy).read()) == 4
    swept(copy)
    assert_frame_equal(Store(copy).read().drop("seconds"), Store(whole).read().drop("seconds"))


def test_rows_that_disagree_with_the_sweep(copy: Path) -> None:
    """By whoever could write digests, too."""
    from small_nets.sweep.store.manifest import read_manifest, rewrite
    from small_nets.sweep.store.part import table_bytes

    part = parts(copy)[0]
    path = part_file(copy, "runs", part)
    table = pl.read_parquet(path)
    wrong = {
        "is not run": table.with_columns(job=pl.col("job") + 10),
        "its run stranger": table.with_columns(run_id=pl.lit("stranger") + pl.col("run_id")),
        "an unknown status": table.with_columns(status=pl.lit("perfect")),
        "has the type": table.with_columns(pl.lit("low").alias("val/loss")),
        "a row has no job": table.drop("job"),
        "3 rows": table[[0, 1, 0]],
    }
    for why, rows in wrong.items():
        rewrite(copy, read_manifest(copy, part), 2, {"runs": table_bytes(rows)})
        said = run(report.main, copy, "--format", "md")
        assert said.code == 0
        assert f"{path} is not in the form that this program writes" in said.text
        assert why in said.text
    assert len(Store(copy).read()) == 2


def test_what_the_manifest_of_sweep_is(copy: Path) -> None:
    """sweep.json has a copy; without both, the directory is refused."""
    (copy / "sweep.json").write_bytes(b"{")
    said = run(report.main, copy)
    assert said.code == 0
    assert f"{copy / 'sweep.json'} cannot be read" in said.text
    (copy / ".sweep.json").write_bytes(b"{")
    said = run(report.main, copy)
    assert said.code == 2
    with pytest.raises(InputError, match="cannot be read"):
        Store(copy)


def test_the_copy_of_sweep_json_is_enough_for_every_command(copy: Path) -> None:
    before = [read for _, _, read in readings(copy)]
    (copy / "sweep.json").unlink()
    found = list(readings(copy))
    assert [read for _, _, read in found] == before
    assert all(said.code == 0 for _, said, _ in found)
    assert "sweep.json is missing. Its copy .sweep.json is used" in found[0][1].text


@pytest.mark.every(2)
@pytest.mark.parametrize("name", ["²", "٣", "007", "9" * 5000])
def test_a_name_that_only_looks_like_a_number_is_no_run(copy: Path, name: str) -> None:
    for command in (predict.main, report.main):
        said = run(command, copy / name)
        assert said.code == 2
        assert said.text.startswith("Error: ")
