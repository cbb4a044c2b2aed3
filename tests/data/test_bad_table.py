"""What is wrong with a table is said with its line, its column and the fix."""

import re
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from small_nets.config.errors import InputError
from small_nets.data.table_settings import complete
from small_nets.run.build.build import build
from small_nets.run.build.compose import compose_settings
from tests.conftest import Answer
from tests.data.tables import BINARY, CLASSES, DECIDED, GOOD, own

# text of the file, inputs, target, loss -> what the message must say
REGRESSION: tuple[str, ...] = ()


BAD: dict[str, tuple[str, str, str, tuple[str, ...], tuple[str, ...]]] = {
    "empty": ("", "a,b", "c", REGRESSION, ("is empty", "a line of column names")),
    "blank": ("\n\n", "a,b", "c", REGRESSION, ("is empty",)),
    "header": ("a,b,c\n", "a,b", "c", REGRESSION, ("no row below its header",)),
    "one row": ("a,b,c\n1,2,3\n", "a,b", "c", REGRESSION, ("one row", "at least two rows")),
    "missing": (
        GOOD.replace("a,", "age,"), "ago,b", "c", REGRESSION,
        ("no column 'ago'", "age, b, c", "Did you mean age?"),
    ),
    "missing target": (GOOD, "a,b", "d", REGRESSION, ("no column 'd'", "a, b, c")),
    "text": (GOOD + "1,abc,2\n", "a,b", "c", REGRESSION,
             ("line 7, column 'b' is 'abc'", "not a number")),
    "quoted lines": (
        'a,b,c,note\n1,2,3,"two\nlines"\n1,x,2,y\n', "a,b", "c", REGRESSION,
        ("line 4, column 'b' is 'x'",),
    ),
    "missing value": (GOOD + "NA,1,2\n", "a,b", "c", REGRESSION,
                      ("column 'a': 1 of 6 rows, the first in line 7 ('NA')", "data.missing=drop")),
    "nan": (GOOD + "1,NaN,2\n", "a,b", "c", REGRESSION,
            ("column 'b': 1 of 6 rows, the first in line 7 ('NaN')",)),
    "infinity": (GOOD + "1,2,-inf\n", "a,b", "c", REGRESSION, ("line 7, column 'c' is -inf",)),
    "cell": (GOOD + "1,,2\n", "a,b", "c", REGRESSION,
             ("column 'b': 1 of 6 rows, the first in line 7 (empty)",)),
    "blank line": (GOOD + "\n1,2,3\n", "a,b", "c", REGRESSION, ("line 7 is empty",)),
    "long row": (GOOD + "1,2,3,4\n", "a,b", "c", REGRESSION,
                 ("line 7 has 4 cells", "3 columns", "double quotes")),
    "short row": (GOOD + "1,2\n", "a,b", "c", REGRESSION, ("line 7 has 2 cells",)),
    "duplicate": ("a,b,a,c\n1,2,3,4\n5,6,7,8\n", "b", "c", REGRESSION,
                  ("'a' more than once", "columns 1, 3")),
    "date": ("a,b,c\n1,2024-05-01,3\n4,2024-05-02,5\n", "a,b", "c", REGRESSION,
             ("line 2, column 'b'", "a date")),
    "target is input": (GOOD, "a,b,c", "c", REGRESSION, ("'c' is the target, and an input",)),
    "input twice": (GOOD, "a,a", "c", REGRESSION, ("has a more than once",)),
    "constant target": ("a,b,c\n1,2,3\n4,5,3\n", "a,b", "c", REGRESSION, ("is 3 in every row",)),
    "text target": ("a,b,c\n1,2,x\n4,5,y\n", "a,b", "c", REGRESSION,
                    ("line 2, column 'c' is 'x'", "loss=cross_entropy")),
    "one class": ("a,b,c\n1,2,x\n4,5,x\n", "a,b", "c", (CLASSES,), ("one class, 'x'",)),
    "three classes": ("a,b,c\n1,2,x\n4,5,y\n1,1,z\n", "a,b", "c", BINARY,
                      ("3 classes (x, y, z)", "loss=cross_entropy")),
    "date classes": ("a,b,c\n1,2,2024-01-01\n4,5,2024-01-02\n", "a,b", "c", (CLASSES,),
                     ("holds dates",)),
    "fractions": ("a,b,c\n1,2,0.5\n4,5,1.5\n", "a,b", "c", (CLASSES,), ("0.5", "loss=mse")),
    "no label": ("a,b,c\n1,2,x\n4,5,\n1,1,y\n", "a,b", "c", (CLASSES,),
                 ("column 'c': 1 of 3 rows, the first in line 3 (empty)",)),
    "nan label": ("a,b,c\n1,2,1\n4,5,nan\n1,1,2\n", "a,b", "c", (CLASSES,),
                  ("column 'c': 1 of 3 rows, the first in line 3 ('nan')",)),
    "numbers as labels": (
        "a,b,c\n" + "".join(f"1,{i},{i}\n" for i in range(200)), "a,b", "c", (CLASSES,),
        ("200 different values", "at most 100"),
    ),
    "no sigmoid": ("a,b,c\n1,2,0\n4,5,1\n", "a,b", "c", ("loss=bce",),
                   ("model.output_activation=sigmoid",)),
    "normalised classes": (
        "a,b,c\n1,2,0\n4,5,1\n1,1,1\n3,4,0\n5,5,0\n", "a,b", "c",
        (CLASSES, "data.normalize_target=standardize"), ("would move the classes",),
    ),
    "own classes": (GOOD, "a,b", "c", (CLASSES, "data.classes=[x,y]"), ("found in its target",)),
    "own digest": (GOOD, "a,b", "c", ("data.digest=abc",), ("the program fills it in",)),
    "accuracy of numbers": (GOOD, "a,b", "c", ("metrics=[accuracy]",), ("loss=bce",)),
}  # fmt: skip


@cache
def composed(more: tuple[str, ...]) -> dict[str, Any]:
    """The settings of a run on a good table, as they are before the table decides anything.

    Hydra composes for half a second: once for each loss.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        file.write("a,b,c\n1,2,0\n4,5,1\n7,1,0\n")
        file.flush()
        found = compose_settings(*own(file.name), *more)[0]
    return found | {"data": found["data"] | dict.fromkeys(DECIDED)}


def refusal(path: Path, inputs: str = "a,b", target: str = "c", more: tuple[str, ...] = ()) -> str:
    """The message for a run on a bad table."""
    with pytest.raises(InputError) as caught:
        build(settings_of(path, inputs, target, more))
    return str(caught.value)


def settings_of(path: Path, inputs: str, target: str, more: tuple[str, ...]) -> dict[str, Any]:
    """The completed settings of a run on a table. Raises InputError."""
    if more not in (REGRESSION, (CLASSES,), BINARY):
        return compose_settings(*own(path, inputs, target), *more)[0]
    before = composed(more)
    named = {"path": str(path), "inputs": inputs.split(","), "target": target}
    return complete(before | {"data": before["data"] | named})


@pytest.mark.parametrize("name", BAD)
def test_a_bad_csv(name: str, tmp_path: Path) -> None:
    text, inputs, target, more, words = BAD[name]
    path = tmp_path / "my.csv"
    path.write_text(text)
    message = refusal(path, inputs, target, more)
    for word in words:
        assert word in message
    assert not words[0].startswith("line") or f"my.csv, {words[0]}" in message


FRAME = {"a": [1.0, 2.0, 5.0], "b": [1, 2, 3], "c": [1.0, 3.0, 2.0]}


@pytest.mark.parametrize(("column", "values", "words"), [
    ("b", pl.Series(["2024-01-01"] * 3).str.to_date(), ("a date",)),
    ("c", ["x", "y", "z"], ("row 1, column 'c' is 'x'", "not a number")),
    ("b", [1.0, None, 2.0], ("column 'b': 1 of 3 rows, the first in row 2 (empty)", "Row 1 is")),
    ("b", [1.0, 2.0, float("nan")], ("the first in row 3 ('nan')",)),
    ("c", [1.0, float("inf"), 1.0], ("row 2, column 'c' is inf",)),
    ("b", [[1], [2], [3]], ("List", "a column of numbers or texts")),
])  # fmt: skip
def test_a_bad_parquet(
    column: str, values: list[object], words: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "my.parquet"
    pl.DataFrame(FRAME | {column: values}).write_parquet(path)
    message = refusal(path)
    for word in (*words, "my.parquet"):
        assert word in message


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    def refused(name: str, content: bytes | None, *words: str) -> None:
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        message = refusal(path)
        for word in (name, *words):
            assert word in message

    refused("none.csv", None, "No such file")
    (tmp_path / "folder.csv").mkdir()
    refused("folder.csv", None, "is a directory")
    refused("table.xlsx", b"PK", "does not end in one of .csv")
    refused("image.csv", b"\x89PNG\r\n\x1a\n\0\0", "not a table")
    refused("fake.parquet", b"a,b,c\n1,2,3\n", "like a Parquet file, but is none")
    refused("latin.csv", "a,b,c\n1,ü,2\n2,3,4\n".encode("latin-1"), "UTF-8")
    pl.DataFrame(FRAME).write_parquet(tmp_path / "p.parquet")
    refused("renamed.csv", (tmp_path / "p.parquet").read_bytes(), "Parquet file by its content")


def test_a_path_that_is_not_given() -> None:
    with pytest.raises(InputError) as caught:
        compose_settings("data=table")
    assert re.search(r"data\.\w+ has no value", str(caught.value))


@pytest.mark.parametrize(("text", "words"), [
    (GOOD + "1,abc,2\n", "my.csv, line 7, column 'b' is 'abc'"),
    (None, "my.csv: No such file"),
])  # fmt: skip
def test_the_command_refuses(
    text: str | None, words: str, command: Callable[..., Answer], tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "my.csv").write_text(text)
    answer = command("src.train", *own("my.csv"))
    assert answer.code == 2
    assert answer.err.startswith(f"Error: {words}")
    assert "Traceback" not in answer.err
    assert {path.name for path in tmp_path.rglob("*")} <= {"my.csv", "outputs"}
