"""A user's own files beside a sweep's: never deleted, never overwritten, named where they are in
the way."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from small_nets.commands import report
from small_nets.config.errors import InputError
from small_nets.notebook import run
from small_nets.run.outputs import provenance
from small_nets.run.outputs.event_files import remove_events
from small_nets.sweep.halving.rung_store import FOLDER, open_rung, remove_rungs
from small_nets.sweep.store.manifest import (
    KINDS,
    manifest_file,
    part_file,
    read_manifest,
    write_part,
)
from small_nets.sweep.store.store import Store
from tests.conftest import Swept

GRID = ("+experiment=temperature_mlp", "trainer.max_epochs=6")
Sweep = Callable[..., Swept]


def test_they_stay(sweep: Sweep, tmp_path: Path) -> None:
    """Through all that a sweep does: more runs, a new key, runs that are trained on, a report."""
    directory = tmp_path / "sweep"
    sweep(*GRID, "seed=0,1")
    mine = [
        "curves/mine.parquet", "weights/pretrained.safetensors", "runs/notes.tmp", "runs/x.csv",
        "weights/model.safetensors.tmp", "parts/notes.txt", "configs/old.parquet.12345678.tmp",
        "0/notes.md", "0/mine.png", "0/mine.gif", "0/events.out.tfevents.1.mine",
        "0/events.out.tfevents.1795703145.host.1.0", "tensorboard/01 x/mine.txt",
        "rungs/notes.txt", "rungs/000000002/mine.txt", "corrupt/mine.parquet", "notes.png",
        "slurm/mine.txt",
    ]  # fmt: skip
    for name in mine:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(f"mine: {name}")
    halving = "sweep.halving={factor: 2, first: 2}"
    sweep(*GRID, "seed=0,1", "optimizer.lr=0.001,0.002,0.003,0.004", halving)
    shutil.rmtree(directory / "1")
    sweep(*GRID, "seed=0,1", "optimizer.lr=0.001,0.002,0.003,0.004")
    report.main([str(directory)])
    for name in mine:
        assert (directory / name).read_text() == f"mine: {name}", name
    found = sorted(str(p.relative_to(directory)) for p in (directory / FOLDER).rglob("*"))
    assert found == ["rungs/000000002", "rungs/000000002/mine.txt", "rungs/notes.txt"]


@pytest.mark.every(3)
@pytest.mark.parametrize("name", ["multirun.yaml", "fit.png", "loss.png", "0/result.json",
                                  "1/weights.safetensors", "0", "weights",
                                  "tensorboard"])  # fmt: skip
def test_one_in_the_way_is_named(sweep: Sweep, tmp_path: Path, name: str) -> None:
    """Before anything is trained."""
    path = tmp_path / "sweep" / name
    path.parent.mkdir(parents=True)
    if name == "tensorboard":
        (tmp_path / "elsewhere").mkdir()
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.write_text("mine")
    with pytest.raises(InputError) as caught:
        sweep(*GRID, "seed=0,1")
    assert str(path) in str(caught.value)
    assert name == "tensorboard" or path.read_text() == "mine"
    assert not list((tmp_path / "sweep").rglob("*.parquet"))
    assert not list(tmp_path.glob("elsewhere/*"))


@pytest.mark.more
def test_a_single_run_where_one_of_the_sweep_would_go_stays(sweep: Sweep, tmp_path: Path) -> None:
    """Its files have our marks, and are the user's all the same."""
    single = tmp_path / "sweep" / "1"
    run("+experiment=proportional", "trainer.max_epochs=2", f"hydra.run.dir={single}")
    before = {path: path.read_bytes() for path in single.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="1 is in the way: it holds another run than run 1"):
        sweep(*GRID, "seed=0,1")
    single = single.rename(tmp_path / "sweep" / "mine")
    sweep(*GRID, "seed=0,1")
    single.rename(tmp_path / "sweep" / "2")
    with pytest.raises(InputError, match="2 is in the way: it holds another run than run 2"):
        sweep(*GRID, "seed=0,1,2")
    found = {path: path.read_bytes() for path in (tmp_path / "sweep" / "2").rglob("*")
             if path.is_file()}  # fmt: skip
    assert sorted(found.values()) == sorted(before.values())
    (tmp_path / "sweep" / "2").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="has, or will have, its run 7"):
        run("+experiment=proportional", f"hydra.run.dir={tmp_path / 'sweep' / '7'}")
    assert not (tmp_path / "sweep" / "7").exists()
    sweep(*GRID, "seed=0,1,2")


@pytest.mark.every(2)
@pytest.mark.parametrize("form", ["html", "csv", "parquet", "md"])
def test_a_report_in_the_way(sweep: Sweep, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    directory = sweep(*GRID, "seed=0,1").store.directory
    name = {"html": "report.html", "md": "report.md"}.get(form, f"runs.{form}")
    (directory / name).write_text("mine")
    with pytest.raises(SystemExit):
        report.main([str(directory), "--format", form])
    assert f"{name} is in the way" in " ".join(capsys.readouterr().err.split())
    assert (directory / name).read_text() == "mine"
    (directory / name).unlink()
    for _ in range(2):  # what is ours is replaced
        report.main([str(directory), "--format", form])
    target = directory.parent / "target"
    (directory / name).rename(target)
    (directory / name).symlink_to(target)
    before = target.read_bytes()
    with pytest.raises(SystemExit):
        report.main([str(directory), "--format", form])
    assert target.read_bytes() == before


def test_what_a_killed_process_leaves_is_removed(sweep: Sweep, tmp_path: Path) -> None:
    """Only what its manifest names, with the content that it names."""
    store = sweep(*GRID, "seed=0").store
    directory, part = store.directory, "0000007_1_0123abcd"
    files = {kind: f"the {kind}".encode() for kind in ("runs", "curves", "weights")}
    write_part(directory, part, store.token, 1, files)
    path = manifest_file(directory, part)
    whole = read_manifest(directory, part)
    path.unlink()
    from small_nets.system.sealed_json import seal

    path.write_text(seal(vars(whole) | {"is_whole": False}))
    part_file(directory, "curves", part).write_text("mine, by now")
    (directory / "runs" / f"{part}.parquet.0123abcd.tmp").touch()
    sweep(*GRID, "seed=0,1")
    assert not path.exists()
    assert part_file(directory, "curves", part).read_text() == "mine, by now"
    left = [p for kind in KINDS for p in (directory / kind).glob(f"{part}*")]
    assert left == [part_file(directory, "curves", part)]


def test_a_part_does_not_overwrite(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.begin([], {}, {"run": 0})
    path = part_file(tmp_path, "curves", "part")
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="is in the way"):
        write_part(tmp_path, "part", store.token, 1, {"curves": b"ours", "runs": b"ours"})
    assert path.read_text() == "mine"
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError, match="is in the way"):
        write_part(tmp_path, "part", store.token, 1, {"curves": b"ours"})
    assert not (tmp_path / "elsewhere").exists()


def test_rungs_that_are_links_stay(tmp_path: Path) -> None:
    store = Store(tmp_path / "sweep")
    (tmp_path / "sweep").mkdir()
    store.begin([], {}, {})
    open_rung(store, 5)
    other = tmp_path / "other"
    (tmp_path / "sweep" / FOLDER / "000000005").rename(other)
    (tmp_path / "sweep" / FOLDER / "000000005").symlink_to(other)
    remove_rungs(store)
    assert (other / "sweep.json").exists()


def test_event_files_by_their_names(tmp_path: Path) -> None:
    ours = "events.out.tfevents.1795703145.my.host.15062.3.session"
    for name in (ours, "events.out.tfevents.mine.session", "events.out.tfevents.1.a.1.1.mine"):
        (tmp_path / name).touch()
    remove_events(tmp_path, ".session")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "events.out.tfevents.1.a.1.1.mine", "events.out.tfevents.mine.session",
    ]  # fmt: skip


def test_the_marks(sweep: Sweep, tmp_path: Path) -> None:
    """Every form that is replaced is known again."""
    directory = sweep(*GRID, "seed=0,1", "pictures=few").store.directory
    report.main([str(directory)])
    report.main([str(directory), "--format", "md"])
    report.main([str(directory / "0")])
    names = ["multirun.yaml", "loss.png", "fit.png", "report.html", "report.md", "0/result.json",
             "0/weights.safetensors", "0/parts.png", "0/training.gif"]  # fmt: skip
    assert [name for name in names if not provenance.is_ours(directory / name)] == []
    (tmp_path / "plain.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert not provenance.is_ours(tmp_path / "plain.png")
