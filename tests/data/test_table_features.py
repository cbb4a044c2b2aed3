"""What a network takes of a table: texts as one-hot columns, all columns, several targets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st

from small_nets.commands import predict
from small_nets.config.errors import InputError
from small_nets.config.schema import check_value
from small_nets.data.column_names import typed_list
from small_nets.data.feature_columns import feature_names, in_terms_of_table
from small_nets.data.table_columns import read_columns
from small_nets.data.table_settings import FILLED_IN, complete, completed
from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from small_nets.run.outputs.identity import run_id
from small_nets.run.prediction.table import with_predictions
from tests.conftest import Swept, predicted

HOUSES = """city,size,sold,price,id
Paris,50,true,10,p1
Rome,60,false,12,r1
Paris,70,TRUE,15,p2
Oslo,80,false,17,o1
Rome,90,true,20,r2
Oslo,99,true,23,o2
"""


def undecided(folder: Path) -> dict[str, Any]:
    """The settings of a run on HOUSES, before the table is looked at."""
    path = folder / "houses.csv"
    path.write_text(HOUSES)
    found = compose_settings("data=table", f"data.path={path}", "data.inputs=[size]",
                             "data.target=price", "logger=none",
                             "trainer.max_epochs=3")[0]  # fmt: skip
    names = (*FILLED_IN, "normalize_target", "input_name", "target_name")
    return found | {"data": found["data"] | dict.fromkeys(names)}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Hydra takes half a second for it: once."""
    return undecided(tmp_path_factory.mktemp("tables"))


def decided(before: dict[str, Any], loss: Any = "mse", **data: Any) -> dict[str, Any]:
    """The completed settings, with other values in the data section. Raises InputError."""
    losses = {"loss": {"_target_": loss}}
    return complete(before | losses | {"data": before["data"] | data})


def refused(before: dict[str, Any], **how: Any) -> str:
    with pytest.raises(InputError) as caught:
        decided(before, **how)
    return str(caught.value)


def test_texts_are_one_hot_columns_and_bools_one_and_nought(tmp_path: Path) -> None:
    path = tmp_path / "houses.csv"
    path.write_text(HOUSES)
    found = read_columns(path, ["size", "city", "sold"], "price")
    assert found.names == ("size", "city=Oslo", "city=Paris", "city=Rome", "sold")
    assert found.inputs[:3].tolist() == [[50, 0, 1, 0, 1], [60, 0, 0, 1, 0], [70, 0, 1, 0, 1]]
    assert found.categories == {"city": ["Oslo", "Paris", "Rome"]}
    row = found.inputs[1].tolist()
    names = ["size", "city", "sold"]
    assert in_terms_of_table(row, names, found.categories) == [60, "Rome", 0]
    assert tuple(feature_names(names, found.categories)) == found.names


def test_an_id_is_no_category(tmp_path: Path) -> None:
    path = tmp_path / "ids.csv"
    path.write_text("a,b\n" + "".join(f"u{i},{i}\n" for i in range(101)))
    with pytest.raises(InputError, match=r"(?s)'a' has 101 different texts .*data\.drop"):
        read_columns(path, ["a"], "b")
    path.write_text("a,b\n" + "".join(f"u{i % 100},{i}\n" for i in range(300)))
    assert read_columns(path, ["a"], "b").inputs.shape == (300, 100)
    path.write_text("a,b\n" + "".join(f"u{i},{i}\n" for i in range(11)))
    with pytest.raises(InputError, match="11 different texts in 11 rows"):
        read_columns(path, ["a"], "b")
    assert read_columns(path, ["a"], "b", categories={"a": ["u1"]}, unseen="zero").inputs.sum() == 1


def test_all_columns_that_are_no_input_are_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        "when,n,i d,b\n" + "".join(f"2024-01-{i:02},{i},u{i},{i}\n" for i in range(10, 30))
    )
    with pytest.raises(InputError) as caught:
        read_columns(path, ["when", "n", "i d"], "b")
    message = str(caught.value)
    assert "line 2, column 'when' is '2024-01-10'" in message
    assert "'i d' has 20 different texts in 20 rows" in message
    assert message.endswith("""(with data.inputs=all: 'data.drop=[when,"i d"]')""")


@given(names=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
                      min_size=1, max_size=3))  # fmt: skip
@example(names=["true"]).via("a word")
@example(names=['a\\"b\\'])
@example(names=["${x}"])
def test_names_are_printed_so_that_they_can_be_typed(names: list[str]) -> None:
    parsed = OverridesParser.create().parse_override(f"data.drop={typed_list(names)}")
    assert parsed.value() == names


def test_all_columns_are_those_that_are_named(before: dict[str, Any]) -> None:
    """A run says which columns it took, and is the run that names them."""
    all_of_them = decided(before, inputs="all", drop=["id"])
    named = decided(before, inputs=["city", "size", "sold"])
    assert all_of_them["data"] == named["data"] | {"drop": ["id"]}
    assert complete(all_of_them) == all_of_them
    assert run_id(all_of_them) == run_id(named)
    assert build(all_of_them).labels.columns == [
        "city=Oslo", "city=Paris", "city=Rome", "size", "sold",
    ]  # fmt: skip
    assert build(all_of_them).data.table.input.shape == (6, 5)
    assert decided(before, inputs="all")["data"]["inputs"] == ["city", "size", "sold", "id"]


def test_what_a_run_is_does_not_follow_from_how_it_is_read(before: dict[str, Any]) -> None:
    first = run_id(decided(before))
    for same in ({"separator": "comma"}, {"separator": ","}, {"missing": "drop"},
                 {"unseen": "zero"}, {"target": ["price"]}):  # fmt: skip
        assert run_id(decided(before, **same)) == first
    assert run_id(decided(before, target="sold")) != first
    assert run_id(decided(before, inputs=["sold"])) != first


@pytest.mark.parametrize(("how", "words"), [
    ({"inputs": "all", "drop": ["ids"]}, ("no column 'ids'", "Did you mean id?")),
    ({"inputs": "all", "drop": ["price"]}, ("names price, which is the target",)),
    ({"inputs": "all", "drop": ["city", "size", "sold", "id"]}, ("no column besides the target",)),
    ({"drop": ["id"]}, ("data.drop=[id]", "data.inputs=all")),
    ({"inputs": ["size", "price"]}, ("'price' is the target, and an input",)),
    ({"inputs": ["size", "size"]}, ("has size more than once",)),
    ({"target": ["price", "price"]}, ("data.target=[price,price] has price more than once",)),
    ({"target": ["price", "sold"], "loss": "cross_entropy"}, ("one target",)),
    ({"target": ["price", "size"]}, ("'size' is the target, and an input",)),
    ({"target": ["price", "city"]}, ("column 'city' is 'Paris'", "not a number")),
    ({"separator": "semicolon"}, ("no column 'size'", "data.separator")),
])  # fmt: skip
def test_columns_that_cannot_be(
    how: dict[str, Any], words: tuple[str, ...], before: dict[str, Any]
) -> None:
    message = refused(before, **how)
    assert all(word in message for word in words), message


@pytest.mark.parametrize(("key", "value"), [
    ("data.inputs", "every"), ("data.inputs", []), ("data.drop", "id"), ("data.target", []),
    ("data.missing", "ignore"), ("data.missing", True), ("data.unseen", "drop"),
    ("data.separator", ":"), ("data.separator", 1), ("data.categories", {"a": ["b"]}),
    ("data.label_type", "Int64"),
])  # fmt: skip
def test_values_that_are_not_allowed(key: str, value: object) -> None:
    with pytest.raises(InputError, match="Allowed: "):
        check_value(key, value)


def test_several_targets(before: dict[str, Any]) -> None:
    found = decided(before, target=["price", "sold"], inputs=["size", "city"])
    assert found["data"]["target_name"] == "price, sold"
    run = build(found)
    assert run.data.table.target is not None
    assert run.data.table.target[:2].tolist() == [[10, 1], [12, 0]]
    assert run.net(run.data.train.input).shape[1] == 2
    table = with_predictions(pl.DataFrame({"x": [1, 2]}), torch.eye(2), found["data"])
    assert table.to_dict(as_series=False) == {
        "x": [1, 2], "predicted_price": [1, 0], "predicted_sold": [0, 1],
    }  # fmt: skip


@pytest.mark.parametrize("labels", [
    pl.Series([True, False, True]), pl.Series([3, 10, 3], dtype=pl.UInt8),
    pl.Series(["01", "1", "01"]), pl.Series(["b", "a", "b"], dtype=pl.Enum(["z", "b", "a"])),
    pl.Series([1.0, 2.0, 1.0]), pl.Series(["1.50", "2.00", "1.50"]).cast(pl.Decimal(9, 2)),
])  # fmt: skip
def test_predictions_have_the_type_of_the_target(
    labels: pl.Series, before: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"a": [1, 2, 3], "c": labels}).write_parquet(path)
    data = decided(before, path=str(path), inputs=["a"], target="c", loss="cross_entropy")["data"]
    stored = json.loads(json.dumps(completed(data)))  # as it travels with the weights
    right = torch.nn.functional.one_hot(
        torch.tensor([stored["classes"].index(str(t)) for t in labels.cast(pl.String)])
    )
    table = with_predictions(pl.DataFrame({"c": labels}), 9.0 * right, stored)
    assert table["predicted_c"].dtype == labels.dtype
    assert table["predicted_c"].to_list() == labels.to_list()
    assert table.columns[2:] == [f"probability_{name}" for name in stored["classes"]]


def test_a_sweep_takes_texts_and_all_columns(sweep: Callable[..., Swept], tmp_path: Path) -> None:
    """As its single runs do; predict takes any of them without a directory, or the table."""
    path = tmp_path / "houses.csv"
    path.write_text(HOUSES.replace("80", "NA"))
    common = ("data=table", f"data.path={path}", "data.target=price", "data.missing=drop",
              "trainer.max_epochs=4", "logger=none", "precision=64")  # fmt: skip
    done = sweep(*common, "data.inputs=all,[city]", "data.drop=[id]", "seed=0,1",
                 "sweep.directories=0")  # fmt: skip
    table = done.table.sort("job")
    # data.drop goes with data.inputs=all alone: the rest are failed rows, with the reason.
    assert table["status"].to_list() == ["completed", "completed", "failed", "failed"]
    assert "houses.csv: 1 row is left out: a value is missing in it" in done.text
    assert "data.drop=[id] takes columns out of data.inputs=all" in table["message"][2]
    alone = compose_settings(*common, "data.inputs=[city,size,sold]", "seed=1")[0]
    assert run_id(alone) == table["run_id"][1]
    path.unlink()
    run = predict.read_run(done.store.directory / "1")
    assert predicted(run, '[["Rome", 55, true]]')[0]["input"] == [0, 0, 1, 55, 1]
    with pytest.raises(InputError, match="the column holds texts"):
        predicted(run, '[[55, "Rome", true]]')


def test_what_is_dropped_tells_settings_apart(sweep: Callable[..., Swept], tmp_path: Path) -> None:
    """They are no seeds of one setting; a run that drops nothing and one that names all are one."""
    path = tmp_path / "houses.csv"
    path.write_text(HOUSES)
    done = sweep("data=table", f"data.path={path}", "data.target=price", "data.inputs=all",
                 "data.drop=[],[id],[id,city],[city,id]", "trainer.max_epochs=2",
                 "logger=none", "sweep.directories=0")  # fmt: skip
    table = done.table.sort("job")
    assert table["data.drop"].to_list() == ["[]", "[id]", "[id,city]"]
    assert table["run_id"].n_unique() == 3
    assert "1 given twice" in done.text
