"""A run's directory: one process at a time, Hydra's settings whole or refused, a config to find."""

import io
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from small_nets.commands import predict, report
from small_nets.commands.python_api import call
from small_nets.config.errors import InputError
from small_nets.notebook import run
from small_nets.run.build.preflight import Claim
from small_nets.run.outputs.directory_lock import locked
from small_nets.run.outputs.saved_config import find_config, refuse_changed
from small_nets.run.terminal.tables import PlainConsole
from small_nets.system.sealed_json import seal
from tests.conftest import Answer

LINE = ("+experiment=proportional", "trainer.max_epochs=3", "logger=none")
Command = Callable[..., Answer]


def test_a_directory_in_use_is_refused_before_anything_is_written(
    tmp_path: Path, command: Command
) -> None:
    with locked(tmp_path / "here", "hydra.run.dir=", is_kept=False):
        before = sorted((tmp_path / "here").iterdir())
        answer = command("src.train", *LINE, "hydra.run.dir=here")
        assert answer.code == 2
        assert f"here is in use: process {os.getpid()} on " in answer.err
        with pytest.raises(InputError, match="is in use"):
            run(*LINE, f"hydra.run.dir={tmp_path / 'here'}")
        assert sorted((tmp_path / "here").iterdir()) == before
    assert not (tmp_path / "here").exists()
    assert command("src.train", *LINE, "hydra.run.dir=here").code == 0
    assert {p.name for p in (tmp_path / "here").iterdir() if p.name[0] == "."} == {".hydra"}
    again = command("src.train", *LINE, "hydra.run.dir=here", "ckpt=here/checkpoint.ckpt",
                    "trainer.max_epochs=5")  # fmt: skip
    assert again.code == 2
    assert "already holds a run" in again.err


def _hold(directory: Path) -> None:
    with locked(directory):
        print("held", flush=True)
        time.sleep(60)


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    holder = multiprocessing.get_context("fork").Process(target=_hold, args=(tmp_path / "d",))
    holder.start()
    while not (tmp_path / "d" / ".holder").exists():
        time.sleep(0.01)
    with pytest.raises(InputError, match=f"process {holder.pid} "), locked(tmp_path / "d"):
        raise AssertionError("held by two")
    os.kill(holder.pid or 0, signal.SIGKILL)
    holder.join()
    with locked(tmp_path / "d"):
        assert (tmp_path / "d" / ".lock").exists()


def test_report_waits_for_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run(*LINE, f"hydra.run.dir={tmp_path / 'run'}")
    with locked(done.directory), pytest.raises(SystemExit) as refused:
        report.main([str(done.directory)])
    assert refused.value.code == 2
    assert "is in use" in capsys.readouterr().err


def test_a_refused_run_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    claim = Claim(mine)
    (mine / ".hydra").mkdir()
    claim.leave()
    assert [path.name for path in mine.iterdir()] == ["notes.txt"]
    new = Claim(tmp_path / "a" / "b")
    new.leave()
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("overrides", "words"), [
    (("hydra.job.chdir=true",), ("hydra.job.chdir=true", "relative to where you are")),
    (("hydra.output_subdir=settings",), ("hydra.output_subdir=settings", ".hydra")),
    (("hydra.output_subdir=null",), ("hydra.output_subdir=None",)),
    (("hydra.sweep.subdir=x",), ("hydra.sweep.subdir is for a sweep", "-m")),
    (("hydra.sweep.dir=x",), ("hydra.sweep.dir is for a sweep", "hydra.run.dir")),
    (("hydra.run.dir=null",), ("hydra.run.dir",)),
    (("hydra.run.dir='${nothing}/x'",), ("hydra.run.dir", "nothing")),
    (("hydra.run.dir='  '",), ("is not a directory",)),
    (("-m", "seed=1,2", "hydra.job.chdir=true"), ("hydra.job.chdir=true",)),
    (("-m", "seed=1,2", "hydra.sweep.subdir='${hydra:job.id}_x'"), ("is named by its number",)),
    (("-m", "seed=1,2", "hydra.run.dir=x"), ("hydra.run.dir is for a single run", "sweep.dir")),
    (("-m", "seed=1,2", "hydra.output_subdir=x"), ("hydra.output_subdir=x",)),
])  # fmt: skip
def test_hydras_own_settings_are_not_followed_by_half(
    overrides: tuple[str, ...], words: tuple[str, ...], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    console = PlainConsole(file=io.StringIO())
    is_sweep = overrides[0] == "-m"
    with pytest.raises(InputError) as refused:
        call([*LINE, *overrides[1:]], console) if is_sweep else run(*LINE, *overrides)
    assert all(word in str(refused.value) for word in words), refused.value
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("overrides", [
    ("hydra.job.chdir=true",), ("-m", "seed=1,2", "hydra.sweep.subdir='${hydra:job.id}_x'"),
    ("hydra.run.dir='${nothing}/x'",),
])  # fmt: skip
def test_nor_by_the_command(overrides: tuple[str, ...], tmp_path: Path, command: Command) -> None:
    answer = command("src.train", *overrides, *LINE)
    assert answer.code == 2, answer.out
    assert answer.err.startswith("Error: hydra.")
    assert list(tmp_path.iterdir()) == []


def test_interpolations_in_the_directory_are_followed(tmp_path: Path, command: Command) -> None:
    where = "hydra.run.dir='out/${name}_${seed}_${hydra:job.override_dirname}'"
    answer = command(
        "src.train", "+experiment=proportional", "seed=3", "trainer.max_epochs=2", where
    )
    assert answer.code == 0, answer.err
    (made,) = (tmp_path / "out").iterdir()
    assert made.name.startswith("proportional_3_")
    assert (made / "result.json").exists()
    assert not (made / ".lock").exists()


def test_a_run_without_its_hidden_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run(*LINE, f"hydra.run.dir={tmp_path / 'run'}").directory
    predict.main([str(done), "--inputs", "[[2.0]]"])
    said = capsys.readouterr()
    assert said.err == ""
    config = done / ".hydra" / "config.yaml"
    text = config.read_text()
    config.write_text(text.replace("lr: ", "lr: 1"))
    with pytest.raises(SystemExit):
        predict.main([str(done), "--inputs", "[[2.0]]"])
    assert "differs from result.json in optimizer.lr (" in capsys.readouterr().err
    shutil.rmtree(done / ".hydra")
    predict.main([str(done), "--inputs", "[[2.0]]"])
    assert capsys.readouterr() == said
    report.main([str(done)])
    assert "training.gif" in capsys.readouterr().out
    for broken in ("{", "[]", '{"config": 3}', "null"):
        (done / "result.json").write_text(broken)
        with pytest.raises(SystemExit):
            predict.main([str(done), "--inputs", "[[2.0]]"])
        assert "nor a result.json with a config" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["a: &a [x]\nb: *a", "1", "[", ""])
def test_a_broken_hydra_file_is_named_with_the_way_out(text: str, tmp_path: Path) -> None:
    config = {"seed": 1, "data": {"rows": 3}}
    hidden = tmp_path / ".hydra" / "config.yaml"
    hidden.parent.mkdir()
    hidden.write_text(text)
    with pytest.raises(InputError) as caught:
        find_config(tmp_path)
    assert "Fix" not in str(caught.value)
    (tmp_path / "result.json").write_text(seal({"config": config}))
    with pytest.raises(InputError, match=r"is not a config: .*\nFix: remove it; then "):
        find_config(tmp_path)
    hidden.unlink()
    assert find_config(tmp_path) == (config, tmp_path / "result.json")


def test_what_only_the_command_line_resolves_is_taken_from_the_result(tmp_path: Path) -> None:
    config = {"seed": 1, "data": {"rows": 3}}
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("seed: ${oc.env:HOME}")
    (tmp_path / "result.json").write_text(seal({"config": config}))
    assert find_config(tmp_path) == (config, tmp_path / "result.json")
    refuse_changed(tmp_path)
