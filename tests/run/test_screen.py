"""The end of a run: one screen of 80 columns, for every kind of example."""

import io
import re
from pathlib import Path

import pytest

from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.fit import fit
from small_nets.run.notes import HARDLY, poor_fit
from small_nets.run.outputs.result import Result
from small_nets.run.spec import Run
from small_nets.run.terminal.tables import PlainConsole, new_table, print_table
from small_nets.sweep.cohorts.single_run import engine_of

SCREEN, COLUMNS = 40, 80
TABLE = ("data=table", "data.inputs=[a,b]")
CASES = {
    "numbers, normalised": ("+experiment=sine",),
    "numbers with a unit": ("+experiment=temperature_mlp",),
    "numbers, an analysis": ("+experiment=optimal_lr",),
    "two classes": ("+experiment=circles",),
    "two classes, few rows": ("+experiment=xor",),
    "many outputs": ("+experiment=linear_layers",),
    "wide, untrained": ("+experiment=feedforward",),
    "metrics, untrained": ("+experiment=losses", "metrics=[mse,accuracy]"),
    "a table of numbers": (*TABLE, "data.target=c"),
    "a table of classes": (*TABLE, "data.target=kind", "loss=cross_entropy"),
    "a table of two targets": ("data=table", "data.inputs=[a]", "data.target=[b,c]"),
}  # fmt: skip


def ended(overrides: tuple[str, ...], folder: Path, columns: int = COLUMNS) -> tuple[Run, str]:
    """A short run, and what it printed."""
    if "data=table" in overrides:
        rows = [f"{i},{i % 7},{3 * i - i % 7},{['low', 'mid', 'high'][i % 3]}" for i in range(60)]
        (folder / "t.csv").write_text("\n".join(["a,b,c,kind", *rows]))
        overrides += (f"data.path={folder / 't.csv'}",)
    settings, _ = compose_settings(*overrides, "logger=none")
    few = min(settings["trainer"]["max_epochs"], 20)
    run = build(compose_settings(*overrides, "logger=none", f"trainer.max_epochs={few}")[0])
    text = io.StringIO()
    fit(run, folder, PlainConsole(file=text, width=columns), train=engine_of(run))
    lines = [line for line in text.getvalue().splitlines() if not line.startswith("epoch ")]
    return run, "\n".join(lines)


@pytest.mark.every(3)
@pytest.mark.parametrize("case", CASES)
def test_one_screen(case: str, tmp_path: Path) -> None:
    run, text = ended(CASES[case], tmp_path)
    lines = text.splitlines()
    assert sum(max(1, -(-len(line) // COLUMNS)) for line in lines) <= SCREEN, text
    tables = [line for line in lines if "  " in line.strip() and str(tmp_path) not in line]
    assert max((len(line.rstrip()) for line in tables), default=0) <= COLUMNS, text
    assert re.search(r"\d s, \d+\.\d of them for training", text)
    assert f"{tmp_path / 'fit.png'}" in text
    assert f"src.report {tmp_path}" in text
    assert "gradient" not in text
    of_numbers = run.data.table.task == "regression" and run.data.train.target is not None
    assert ("rmse" in text) == of_numbers
    assert ("normalised" in text) == (of_numbers and run.data.is_target_normalised)
    shown = text.split("Predictions")[1].split("\n\n")[0].splitlines()[2:]
    assert len(shown) <= 5


def test_print_all(tmp_path: Path) -> None:
    _, text = ended(("+experiment=circles", "print=all"), tmp_path)
    assert "Parameters after " in text
    assert "and the gradient of train/loss at these parameters" in text
    assert "Predictions, 20 of 80" in text
    assert "print" not in compose_settings("+experiment=sine", "print=all")[0]["trainer"]


@pytest.mark.every(5)
@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        (("+experiment=circles",), "predicted class (probability)"),
        (("+experiment=xor",), "predicted target (probability)"),
        (("+experiment=spam",), "predicted probability  answer"),
        (("+experiment=sine",), "predicted y  y"),
        ((*TABLE, "data.target=kind", "loss=cross_entropy"), "predicted kind  probability"),
    ],
)
def test_probabilities_are_called_so(
    overrides: tuple[str, ...], wanted: str, tmp_path: Path
) -> None:
    assert wanted in ended(overrides, tmp_path, 200)[1]


def result_of(run: Run, **losses: float) -> Result:
    """A result that has these losses; the constant predictor's are 1."""
    names = {name.replace("_", "/"): value for name, value in losses.items()}
    return Result(
        "x", 0, "completed", 10, 10, None, False, names, dict.fromkeys(names, 1.0), [], {}, {},
        run.config, "", {}, {}, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("losses", "wanted"),
    [
        ({"train_loss": 0.5, "val_loss": 0.5}, None),
        ({"train_loss": HARDLY - 0.01, "val_loss": HARDLY - 0.01}, None),
        ({"train_loss": HARDLY + 0.01, "val_loss": 0.5}, "hardly better than the constant"),
        ({"train_loss": 1.0, "val_loss": 0.5}, "no better than the constant predictor: train"),
        ({"train_loss": 1.2, "val_loss": 0.5}, "worse than the constant predictor: train/loss"),
        ({"train_loss": 0.1, "val_loss": 0.95}, "validation rows the net is hardly better"),
        ({"train_loss": 0.1, "val_loss": 2.0}, "on the validation rows the net is worse than"),
        ({"train_loss": 0.8, "val_loss": 0.95}, "more epochs"),
    ],
)
def test_hardly_better(losses: dict[str, float], wanted: str | None) -> None:
    run = build(compose_settings("+experiment=circles", "logger=none")[0])
    found = poor_fit(run, result_of(run, **losses))
    assert (found is None) == (wanted is None)
    if wanted is not None and found is not None:
        assert wanted in found
        assert "several seeds" in found
        assert "model.width=" + ("3" if "validation rows" in wanted else "12") in found


def test_a_validation_split_of_few_rows_says_nothing() -> None:
    run = build(compose_settings("+experiment=temperature_mlp", "logger=none")[0])
    assert poor_fit(run, result_of(run, train_loss=0.1, val_loss=0.99)) is None


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_no_number_is_cut(columns: int) -> None:
    """However narrow the terminal is."""
    table = new_table("cohort", "runs", "steps", "95 % of the mean", "note", numbers=True)
    cells = ["model.width=35 optimizer.lr=0.0136751", "1,000", "12,000", "0.0006344 to 0.004941",
             "two words and more of them"]  # fmt: skip
    table.add_row(*cells)
    text = io.StringIO()
    print_table(PlainConsole(file=text, width=columns), table)
    whole = ("0.0006344 to 0.004941",) if columns >= 60 else ("0.0006344", "0.004941")
    assert all(cell in text.getvalue() for cell in ("1,000", "12,000", *whole))
    letters = "".join(text.getvalue().split())
    assert all(word in letters or columns < 80 for cell in cells for word in cell.split())
