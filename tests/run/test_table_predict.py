"""Predictions for tables with texts: read as training reads, given back in the table's terms."""

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from small_nets.commands import predict
from small_nets.config.errors import InputError
from small_nets.run.build.build import build
from small_nets.run.fit import fit
from small_nets.run.notes import notes
from small_nets.run.outputs.saved_config import refuse_changed
from small_nets.run.prediction.table import asked_for, write_table
from small_nets.system.sealed_json import seal
from tests.conftest import predicted, quiet
from tests.data.test_table_features import HOUSES, decided, undecided


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return undecided(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def trained(before: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Directories of two runs whose table is gone: one refuses, one takes what it can."""
    folder = tmp_path_factory.mktemp("runs")
    path = folder / "gone.csv"
    path.write_text(HOUSES)
    found = {}
    for name, how in (("strict", {}), ("mild", {"unseen": "zero", "missing": "drop"})):
        found[name] = folder / name
        (found[name] / ".hydra").mkdir(parents=True)
        config = decided(before, path=str(path), inputs=["size", "city", "sold"], **how)
        fit(build(config), found[name], quiet())
        (found[name] / ".hydra" / "config.yaml").write_text(json.dumps(config))
    path.unlink()
    return found


ASKED = """note,sold,city,size
a 5" pipe,true,Rome,55
"x, ""y""
z",false,Paris,65
007,True,Oslo,75
"""


def test_predict_reads_as_training_does(trained: dict[str, Path], tmp_path: Path) -> None:
    path, out = tmp_path / "asked.csv", tmp_path / "out.csv"
    path.write_text(ASKED)
    predict.main([str(trained["strict"]), "--inputs", str(path), "--out", str(out)])
    found = pl.read_csv(out, infer_schema=False)
    assert found.columns == ["note", "sold", "city", "size", "predicted_price"]
    assert found["note"].to_list() == ['a 5" pipe', 'x, "y"\nz', "007"]
    rows = '[[55, "Rome", true], [65, "Paris", false], [75, "Oslo", 1]]'
    alone = predicted(predict.read_run(trained["strict"]), rows)
    assert found["predicted_price"].cast(pl.Float64).to_list() == pytest.approx(
        [row["prediction"][0] for row in alone]
    )
    named = '[{"city": "Rome", "sold": true, "size": 55}]'
    assert predicted(predict.read_run(trained["strict"]), named) == alone[:1]


def test_predict_to_parquet_loses_no_spelling(trained: dict[str, Path], tmp_path: Path) -> None:
    path, out = tmp_path / "asked.csv", tmp_path / "out.parquet"
    path.write_text(ASKED.replace("a 5", "4 5").replace(" pipe", "").replace('5"', "5"))
    predict.main([str(trained["strict"]), "--inputs", str(path), "--out", str(out)])
    found = pl.read_parquet(out)
    kinds = [str(kind) for kind in found.dtypes]
    assert kinds == ["String", "Boolean", "String", "Int64", "Float64"]
    assert found["size"].to_list() == [55, 65, 75]


@pytest.mark.parametrize(("asked", "words"), [
    ("size,city,sold\n1,Rom,1\n", ("line 2, column 'city' is 'Rom'", "Did you mean Rome?",
                                   "data.unseen=zero")),
    ("size,city,sold\n1,Rome,\n", ("'sold': 1 of 1 rows, the first in line 2 (empty)",)),
    ("size,city,sold\nx,Rome,1\n", ("line 2, column 'size' is 'x'",)),
    ("size,city\n1,Rome\n", ("no column 'sold'",)),
    ('size,city,sold\n1,"Rome,1\n', ("line 2: a double quote opens",)),
    ('[[1, "Rom", 1]]', ("row 1, 'city' is 'Rom'", "Did you mean Rome?")),
    ('[[1, 2, 1]]', ("row 1, 'city' is 2", '"Oslo", "Paris"')),
    ('[["x", "Rome", 1]]', ("row 1, 'size' is 'x', not a finite number",)),
    ('[[1, "Rome"]]', ("row 1 has 2 values; the inputs are size, city, sold", '[[0.0, "Oslo"')),
    ('[{"size": 1, "city": "Rome"}]', ("row 1 has no 'sold'",)),
    ('[{"size": 1, "city": "Rome", "sold": 1, "x": 1}]', ("row 1 has 'x'",)),
    ("[1, 2]", ("row 1 is 1, not a list",)),
    ("[]", ("holds no row",)),
    ('[[1e999, "Rome", 1]]', ("'size' is inf, not a finite number",)),
    (f'[[1{"0" * 400}, "Rome", 1]]', ("'size' is 1000", "not a finite number")),
    ('[[1, "Rome", null]]', ("'sold' is None, not a finite number",)),
    ("[" * 100_000, ("is not JSON",)),
])  # fmt: skip
def test_predict_refuses(
    asked: str, words: tuple[str, ...], trained: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "asked.csv"
    path.write_text(asked)
    with pytest.raises(InputError) as caught:
        predicted(predict.read_run(trained["strict"]),
                        asked if asked.startswith("[") else str(path))  # fmt: skip
    assert all(word in str(caught.value) for word in words), caught.value


def test_rows_without_a_value_stay_and_have_no_prediction(
    trained: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "asked.csv", tmp_path / "out.csv"
    path.write_text("size,city,sold\n55,Rome,1\nNA,Rome,1\n65,Berlin,0\n75,,1\n")
    predict.main([str(trained["mild"]), "--inputs", str(path), "--out", str(out)])
    said = capsys.readouterr()
    assert "2 of 4 rows have no prediction" in said.err
    assert said.out.startswith("2 predictions in ")
    found = pl.read_csv(out, infer_schema=False)
    assert found["city"].to_list() == ["Rome", "Rome", "Berlin", None]
    assert found["predicted_price"].is_null().to_list() == [False, True, False, True]
    rows = predicted(predict.read_run(trained["mild"]), str(path))
    assert [row["input"] for row in rows] == [[55, 0, 0, 1, 1], [65, 0, 0, 0, 0]]


def test_the_console_shows_the_texts(
    trained: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    predict.main([str(trained["mild"]), "--inputs", '[[55, "Rome", true], [65, "Bern", false]]'])
    shown = capsys.readouterr().out
    assert "55  Rome  1" in shown
    assert "65  unseen  0" in shown


def test_what_the_table_resolved_is_no_change_of_the_config(
    before: dict[str, Any], tmp_path: Path
) -> None:
    """Hydra wrote `all` before the table was looked at, and result.json has the names."""
    typed = {"inputs": "all", "drop": ["id"], "separator": "comma", "target": ["price"]}
    (tmp_path / ".hydra").mkdir()
    (tmp_path / "result.json").write_text(seal({"config": decided(before, **typed)}))
    hydra = tmp_path / ".hydra" / "config.yaml"
    hydra.write_text(json.dumps(before | {"data": before["data"] | typed}))
    refuse_changed(tmp_path)
    other = typed | {"inputs": ["city", "size"]}
    hydra.write_text(json.dumps(before | {"data": before["data"] | other}))
    with pytest.raises(InputError, match=r"data\.inputs"):
        refuse_changed(tmp_path)


def test_rows_that_are_left_out_are_said(before: dict[str, Any], tmp_path: Path) -> None:
    """And the validation rows are found in the whole table all the same."""
    path = tmp_path / "x.csv"
    rows = [f"{'' if i % 3 == 0 else i},{i * i},{i}\n" for i in range(30)]
    path.write_text("a,c,number\n" + "".join(rows))
    config = decided(before, path=str(path), inputs=["a"], target="c", missing="drop",
                     val_fraction=0.3)  # fmt: skip
    run = build(config)
    assert len(run.data.table.input) == 20
    assert notes(run)[0].startswith("10 of 30 rows are left out")
    asked = asked_for(config, None, None, 1)
    assert asked.known is not None
    assert asked.frame["a"].cast(pl.Float64).to_list() == asked.rows[:, 0].tolist()
    assert asked.frame["c"].cast(pl.Float64).to_list() == asked.known.values[:, 0].tolist()


COUNT = itertools.count()
NOTE = st.text("ab07.,;\"'\n\r é-?", max_size=5)


@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(rows=st.lists(st.tuples(NOTE, st.integers(-9, 9), NOTE), min_size=1, max_size=6),
       separator=st.sampled_from(",;\t"))  # fmt: skip
def test_all_that_is_not_predicted_stays_as_it_was(
    rows: list[tuple[str, int, str]], separator: str, tmp_path: Path
) -> None:
    """Cell by cell, whatever stands in the columns that the run does not use."""
    number = next(COUNT)  # a reader may keep what it knows of a file
    path, out = tmp_path / f"in{number}.csv", tmp_path / f"out{number}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=separator, quoting=csv.QUOTE_ALL)
        writer.writerows([("one", "x", "two"), *rows])
    data = {"inputs": ["x"], "target": "y", "classes": None, "categories": {}, "unseen": "refuse",
            "missing": "refuse", "separator": separator}  # fmt: skip
    asked = asked_for({"data": data}, str(path), out, 1)
    assert (len(asked.rows), asked.known) == (len(rows), None)
    write_table(data, asked, out, 2 * asked.rows)
    with out.open(encoding="utf-8", newline="") as file:
        found = list(csv.reader(file, strict=True))
    assert found[0] == ["one", "x", "two", "predicted_y"]
    assert [row[:3] for row in found[1:]] == [[a, str(x), b] for a, x, b in rows]
    assert [float(row[3]) for row in found[1:]] == [2 * x for _, x, _ in rows]


def test_texts_in_two_cases_are_said(before: dict[str, Any]) -> None:
    """`TRUE` beside `true` as labels, `Paris` beside `paris` as inputs: allowed, and not silent."""
    path = Path(before["data"]["path"]).with_name("cases.csv")
    path.write_text("city,k\n" + "Paris,TRUE\nparis,true\nRome,FALSE\n" * 10)
    how = {"path": str(path), "inputs": ["city"], "target": "k"}
    said = notes(build(decided(before, "cross_entropy", **how)))
    assert [note.partition(" differ")[0] for note in said] == [
        "the texts 'Paris' and 'paris' of the input 'city'", "the labels 'TRUE' and 'true'",
    ]  # fmt: skip
