"""Files are there whole or not at all, with the modes that the umask says."""

import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import torch

from small_nets.commands import predict, report
from small_nets.notebook import run, sweep
from small_nets.run.outputs.tensor_files import read_tensors, tensors_to_bytes, write_tensors
from small_nets.system.atomic_file import create_whole, write_whole
from tests.conftest import ROOT

LINE = ("+experiment=proportional", "trainer.max_epochs=3")


@pytest.fixture(params=[0o027, 0o002, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("write", [write_whole, create_whole])
@pytest.mark.parametrize("content", [b"new", "new", lambda path: path.write_text("new")])
def test_written(write: object, content: object, umask: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, content)  # type: ignore[operator]
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_text("old")
    link.symlink_to("nowhere")

    def no_links(*_: object) -> None:
        raise PermissionError(1, "no links here")

    for there in (path, link):
        with pytest.raises(FileExistsError):
            create_whole(there, "new")
        with monkeypatch.context() as without:
            without.setattr(os, "link", no_links)
            with pytest.raises(FileExistsError):
                create_whole(there, "new")
            create_whole(tmp_path / f"beside {there.name}", "new")
    assert path.read_text() == "old"
    assert not (tmp_path / "nowhere").exists()
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("write", [write_whole, create_whole])
def test_a_failure_leaves_what_was_there(write: object, tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device", str(path))

    with pytest.raises(OSError, match="No space left") as caught:
        write(tmp_path / "file", fail)  # type: ignore[operator]
    assert caught.value.filename == str(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_long_name_has_room_for_a_temporary_one(tmp_path: Path) -> None:
    write_whole(tmp_path / ("ü" * 127), "new")
    assert [path.name for path in tmp_path.iterdir()] == ["ü" * 127]


@pytest.mark.parametrize("umask", [0o027], indirect=True)
def test_all_files_have_the_modes_of_the_umask(
    umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(*LINE, "hydra.run.dir=run")
    sweep(*LINE, "seed=1,2", "sweep.dir=sweep")
    report.main(["sweep"])
    predict.main(["run", "--inputs", "[[1.0]]", "--out", "p.csv"])
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(found) > 20
    wrong = {
        str(path.relative_to(tmp_path)): oct(path.stat().st_mode)
        for path in found
        if stat.S_IMODE(path.stat().st_mode) != 0o666 & ~umask
    }
    assert wrong == {}
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o777 & ~umask for p in tmp_path.rglob("*/"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    return run(*LINE, f"hydra.run.dir={folder / 'run'}", "logger=none").directory


class TestPredictOut:
    def refused(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
        with pytest.raises(SystemExit) as caught:
            predict.main(arguments)
        assert caught.value.code == 2
        return capsys.readouterr().err

    def test_places_where_no_file_can_be(
        self, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "file.csv").write_text("mine")
        (tmp_path / "dangling.csv").symlink_to("nowhere")
        for name, words in (("file.csv", "exists already"), ("dangling.csv", "exists already"),
                            ("none/x.csv", "none does not exist"),
                            ("file.csv/x.csv", "is no folder")):  # fmt: skip
            said = self.refused(capsys, str(trained), "--inputs", "not a file",
                                "--out", str(tmp_path / name))  # fmt: skip
            assert words in said
        assert (tmp_path / "file.csv").read_text() == "mine"

    @pytest.mark.more
    def test_a_full_disk_leaves_nothing(self, trained: Path, tmp_path: Path) -> None:
        (tmp_path / "in.csv").write_text("x\n" + "1.25\n" * 20000)

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

        done = subprocess.run(
            [sys.executable, "-m", "src.predict", str(trained), "--inputs", "in.csv",
             "--out", "out.csv"],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, preexec_fn=limit,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stderr == "Error: out.csv: File too large\n"
        assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


class TestTensors:
    @pytest.mark.more
    def test_the_same_bytes_in_every_process(self, tmp_path: Path) -> None:
        code = (
            "import sys, torch\nfrom pathlib import Path\n"
            "import src; from small_nets.run.outputs.tensor_files import write_tensors\n"
            "about = {name: name for name in ('outputs', 'input', 'target', 'table', 'x', 'ü')}\n"
            "named = {n: torch.arange(3.) for n in ('b', 'a', 'c')} | {'i': torch.tensor([1])}\n"
            "write_tensors(Path(sys.argv[1]), named, about)"
        )
        for i in range(2):
            subprocess.run(
                [sys.executable, "-c", code, str(tmp_path / str(i))], cwd=ROOT, check=True
            )
        assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()
        tensors, about = read_tensors(tmp_path / "0")
        assert about["ü"] == "ü"
        assert torch.equal(tensors["b"], torch.arange(3.0))

    def test_the_order_of_metadata_does_not_count(self, tmp_path: Path) -> None:
        tensors = {"w": torch.ones(2, 3), "e": torch.zeros(0), "d": torch.ones(1).double()}
        about = {"b": "2", "a": "1", "c": '{"x": "\\u00fc"}'}
        turned = dict(reversed(about.items()))
        assert tensors_to_bytes(tensors, about) == tensors_to_bytes(tensors, turned)
        write_tensors(tmp_path / "f", tensors, about)
        found, told = read_tensors(tmp_path / "f")
        assert told == about
        assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_equal_runs_leave_equal_bytes(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1, 2, 3, 4] * 3, "c": ["x", "y", "z", "x"] * 3}).write_csv(
        tmp_path / "t.csv"
    )
    table = ("data=table", f"data.path={tmp_path / 't.csv'}", "data.inputs=[a]", "data.target=c",
             "loss=cross_entropy", "trainer.max_epochs=3", "logger=none")  # fmt: skip
    one, other = (run(*table, f"hydra.run.dir={tmp_path / name}").directory for name in "ab")
    for name in ("weights.safetensors", "path.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
