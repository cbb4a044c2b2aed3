"""The predict command, from a run's own directory and nothing else."""

import csv
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from small_nets.commands import predict
from tests.conftest import Answer, predicted


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs, in directories such as the command leaves."""
    from small_nets.notebook import run

    folder = tmp_path_factory.mktemp("runs")
    for name, more in (
        ("proportional", ("trainer.max_epochs=3000",)),
        ("temperature_mlp", ("trainer.max_epochs=300", "precision=64",
                             "data.normalize_target=standardize")),
        ("spam", ()),
    ):  # fmt: skip
        run(f"+experiment={name}", "logger=none", f"hydra.run.dir={folder / name}", *more)
    return folder


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        predict.main(arguments)
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("Error: ")
    return message


def test_the_command(runs: Path, command: Callable[..., Answer]) -> None:
    answer = command("src.predict", str(runs / "proportional"), "--inputs", "[[10.0], [0.5]]")
    assert answer.code == 0
    assert re.search(r"10 +19\.99|10 +20\.00", answer.out)


def test_validation_rows_beside_their_targets(runs: Path) -> None:
    import json

    rows = predicted(predict.read_run(runs / "temperature_mlp"), None)
    stored = json.loads((runs / "temperature_mlp" / "result.json").read_text())["predictions"]
    assert len(rows) == 2
    for mine, theirs in zip(rows, stored, strict=True):
        assert mine["target"] == theirs["target"]
        assert mine["prediction"] == pytest.approx(theirs["prediction"], rel=1e-12)


def test_predictions_need_no_data(runs: Path, tmp_path: Path) -> None:
    """The normalisation travels with the weights: a run works without its table."""
    copy = tmp_path / "copy"
    shutil.copytree(runs / "temperature_mlp", copy)
    (copy / "result.json").unlink()
    path = copy / ".hydra" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["data"]["source"] = {"_target_": "gate", "kind": "and"}
    path.write_text(yaml.safe_dump(config))
    there = predicted(predict.read_run(runs / "temperature_mlp"), "[[50.0]]")
    assert predicted(predict.read_run(copy), "[[50.0]]") == there


def test_csv_in_and_out(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, out = tmp_path / "in.csv", tmp_path / "out.csv"
    for text in ("x\n10\n20\n", "\ufeff10\n20\n"):
        table.write_text(text)
        predict.main([str(runs / "proportional"), "--inputs", str(table), "--out", str(out)])
        assert "far outside its range of training, 1 to 3" in capsys.readouterr().err
        rows = list(csv.DictReader(out.read_text().splitlines()))
        assert [float(r["input"]) for r in rows] == [10, 20]
        assert [float(r["prediction"]) for r in rows] == pytest.approx([20, 40], abs=0.1)
        assert "exists already" in refused(
            capsys, str(runs / "proportional"), "--inputs", str(table), "--out", str(out)
        )
        out.unlink()


def test_classes_are_named(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predict.main([str(runs / "spam")])
    assert "Spam" in capsys.readouterr().out


@pytest.mark.parametrize(("inputs", "words"), [
    ("[[1, 2]]", ("row 1 has 2 columns", "takes 1")),
    ("[[1], [2, 3]]", ("row 2",)),
    ("[10]", ("row 1 is 10, not a list", "[[0.0]]")),
    ("[[1", ("is not JSON",)),
    ("[]", ("holds no row",)),
    ('[["a"]]', ("'a', not a finite number",)),
    ("[[NaN]]", ("not a finite number",)),
    ("nowhere.csv", ("nowhere.csv", "No such file")),
])  # fmt: skip
def test_bad_inputs(
    inputs: str, words: tuple[str, ...], runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(capsys, str(runs / "proportional"), "--inputs", inputs)
    assert all(word in message for word in words)


def test_a_csv_with_text_in_it(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.csv"
    for text in ("x\n1\n\nabc\n", "1\n1\n\nabc"):
        path.write_text(text)
        message = refused(capsys, str(runs / "proportional"), "--inputs", str(path))
        assert "line 4 holds 'abc'" in message
    path.write_text("1,2,x\n1,2,3\n")
    assert "line 1" in refused(capsys, str(runs / "proportional"), "--inputs", str(path))


def test_directories_that_are_no_runs(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "does not exist" in refused(capsys, str(tmp_path / "none"))
    assert "is not the directory of a run" in refused(capsys, str(tmp_path))
    copy = tmp_path / "copy"
    shutil.copytree(runs / "proportional", copy)
    weights = copy / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    assert "not a complete weights file" in refused(capsys, str(copy))
    weights.unlink()
    assert "weights.safetensors does not exist" in refused(capsys, str(copy))
    weights.write_bytes(content)
    config = copy / ".hydra" / "config.yaml"
    text = config.read_text()
    config.write_text(text.replace("width: null", "width: 3"))
    assert "do not fit" in refused(capsys, str(copy), "--inputs", "[[1]]")
    config.write_text(text.replace("precision: 32", ""))
    assert "it has no precision" in refused(capsys, str(copy), "--inputs", "[[1]]")
    config.write_text("just: [text")
    assert "is not a config" in refused(capsys, str(copy))


@pytest.mark.parametrize("where", ["mlp", "sgd", "mse"])
def test_a_target_of_a_stranger_is_refused(
    where: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "sent"
    shutil.copytree(runs / "proportional", copy)
    (tmp_path / "evil_module.py").write_text("raise RuntimeError('imported')")
    config = copy / ".hydra" / "config.yaml"
    text = config.read_text()
    assert where in text
    config.write_text(text.replace(where, "evil_module.run"))
    message = refused(capsys, str(copy), "--inputs", "[[1]]")
    assert "evil_module.run" in message
    assert "nothing was imported" in message
