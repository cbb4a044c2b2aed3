"""What the cells of a table are: numbers, bools, labels, dates, or nothing at all."""

import gzip
import itertools
from datetime import date, time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from small_nets.config.errors import InputError
from small_nets.data.column_types import as_type
from small_nets.data.dates import is_date
from small_nets.data.missing_values import WORDS
from small_nets.data.table_columns import Columns, read_columns

COUNT = itertools.count()


def read(folder: Path, text: str | bytes, *, inputs: str = "a", target: str | None = None,
         name: str = "", **more: Any) -> Columns:  # fmt: skip
    name = name or f"{next(COUNT)}.csv"  # a reader may keep what it knows of a file
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return read_columns(folder / name, inputs.split(","), target, **more)


def refused(folder: Path, text: str | bytes, **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, text, **more)
    return str(caught.value)


# a column's cells -> its numbers
NUMBERS: dict[tuple[str, ...], list[float]] = {
    ("1", "-2.5", "1e3", ".5", "+7"): [1, -2.5, 1000, 0.5, 7],
    ("true", "FALSE", "True"): [1, 0, 1],
    ('" 4 "', "5 "): [4, 5],
    ("001", "02"): [1, 2],
}


@pytest.mark.parametrize("cells", NUMBERS)
def test_numbers_and_bools(cells: tuple[str, ...], tmp_path: Path) -> None:
    found = read(tmp_path, "a,n\n" + "".join(f"{cell},x\n" for cell in cells))
    assert found.inputs[:, 0].tolist() == NUMBERS[cells]
    assert found.names == ("a",)


# the file's text -> the numbers of column a, or what the message says
MARKS: dict[str, list[float] | tuple[str, ...]] = {
    "a;b\n1,5;x\n2;y\n-0,25;z\n": [1.5, 2, -0.25],
    "a\tb\n1,5\t2,5\n": [1.5],
    'a,b\n"1,5",2\n"12,75",3\n': [1.5, 12.75],
    "a;b\n5,850;1,5\n": [5.85],  # another column tells what the comma is
    "a;b\n5,850;1\n6,100;2\n": ("line 2, column 'a' is '5,850', which is 5850 or 5.85",),
    'a,b\n"5,850",1\n': ("5850 or 5.85",),
    "a;b\n5.850;1,5\n": ("5850 or 5.85", "elsewhere the file has '1,5'"),
    "a;b\n5.850;1\n": [5.85],
    "a,b\n5.850,1\n": [5.85],
    "a;b\n1,5;2.5\n": ("line 2, column 'a' is '1,5'", "decimal points, such as '2.5'"),
    "a;b\n1,5;x\n2.5;y\n": ("line 2, column 'a' is '1,5', with a comma, and line 3 has '2.5'",),
    "a;b\n1.234.567;x\n": ("'1.234.567'", "such as 1234567,"),
    'a,b\n"1,234,567",x\n': ("such as 1234567,",),
    'a,b\n"1,234.5",x\n': ("such as 1234.5,",),
    "a;b\n1.234,5;x\n": ("such as 1234.5,",),
    "a,b\n1'000,x\n2,y\n": ('"1\'000"', "such as 1000,"),
    "a,b\n1 000,x\n2,y\n": ("such as 1000,",),
    "a,b\n1\u00a0000,x\n": ("such as 1000,",),
    'b,a\nx, "5"\ny, "6"\n': ("quotes that are part of the text",),
    "a,b\n5 %,x\n": ("'5 %': a number with a sign",),
    "a,b\n\u22125,x\n\u22127,y\n": ("a number with a dash", "such as -1.5"),
    "a,b\n$5,x\n€7,y\n": ("a number with a sign",),
    "a,b\n1,x\nabc,y\n3,z\n": ("line 3, column 'a' is 'abc'", "line 2 has '1'", "1 of 3 rows"),
    "a;b\n1,5;x\n2,5;y\nabc;z\n": ("line 4, column 'a' is 'abc'", "1 of 3 rows are texts"),
    "a,b\nx,x\n1 000,y\n": ("line 2, column 'a' is 'x'", "line 3 has '1 000'"),
    "a,b\n1,x\ntrue,y\n": ("line 3, column 'a' is 'true'",),
    "a,b\n1,x\n1_0,y\n": ("'1_0'",),
    "a,b\n1,x\n\uff11\uff10,y\n": ("'\uff11\uff10'",),
    "a,b\n1,x\n0x10,y\n": ("'0x10'",),
    "a,b\n1,x\ninf,y\n": ("is inf, which is not a finite number",),
    "a,b\n1,x\n1e999,y\n": ("is 1e999, which is not a finite number",),
    "a,b\n2024-05-01,x\n2024-05-02,y\n": ("'2024-05-01': a date", "data.drop"),
    "a,b\n01.05.2024,x\n": ("a date",),
}


@pytest.mark.parametrize("text", MARKS)
def test_marks_in_numbers(text: str, tmp_path: Path) -> None:
    wanted = MARKS[text]
    if isinstance(wanted, list):
        assert read(tmp_path, text).inputs[:, 0].tolist() == wanted
        return
    message = refused(tmp_path, text)
    assert all(word in message for word in wanted), message


@pytest.mark.parametrize(("text", "wanted"), [
    ("2024-05-01", True), ("2024-5-1 12:30", True), ("2024-05-01T12:30:01.5Z", True),
    ("2024/05/01", True), ("31.12.2024", True), ("12/31/2024", True), ("12/31/99", True),
    ("2024-05", True), ("1 May 2024", True), ("May 1, 2024", True), ("12:30", True),
    ("12:30:59", True), ("10-12-14", False), ("14-16-18", False), ("2024-13-01", False),
    ("2023-02-29", False), ("2024.05", False), ("1.2.3", False), ("1:10", False),
    ("25:00", False), ("2012-13", False), ("31/31/2024", False), ("May", False), ("", False),
    ("2024-05-01 25:00", False), ("x" * 10_000, False),
])  # fmt: skip
def test_dates(text: str, wanted: bool) -> None:
    assert is_date(text) == wanted


def test_whole_numbers_that_float64_merges_are_refused(tmp_path: Path) -> None:
    twins = [2**53 + 4, -(2**53), -(2**53) - 1]
    cells = "".join(f"{i},{y}\n" for y, i in enumerate(twins))
    said = refused(tmp_path, f"a,c\n{cells}", target="c")
    assert f"line 3, column 'a' is {twins[1]}, and line 4 has {twins[2]}" in said
    assert "column 'c' is" in refused(tmp_path, f"c,a\n{cells}", target="c")
    pl.DataFrame({"a": twins, "c": [1, 2, 3]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="row 2, column 'a' is"):
        read_columns(tmp_path / "a.parquet", ["a"], "c")
    fine = read(tmp_path, f"a,c\n{2**53},1\n+{2**53},2\n00{2**53},3\n{2**53 + 2},4\n", target="c")
    assert fine.inputs[:, 0].tolist() == [2.0**53] * 3 + [2.0**53 + 2]
    read(tmp_path, f"a,c\n{cells}", categories={})  # rows to predict are no training table


@pytest.mark.parametrize("word", [*WORDS, "  ", " NA "])
def test_missing_is_one_thing(word: str, tmp_path: Path) -> None:
    """In numbers, texts and labels, of CSV and of Parquet; what is dropped is counted."""
    rows = [("1", "x", "u"), ("2", "y", "v"), ("3", "x", "u")]
    for place, name in enumerate("abc"):
        changed = [list(row) for row in rows]
        changed[1][place] = word
        text = "a,b,c\n" + "".join(",".join(row) + "\n" for row in changed)
        how: dict[str, Any] = {"inputs": "a,b", "target": "c", "task": "classes"}
        shown = repr(word) if word.strip() else "empty"
        message = refused(tmp_path, text, **how)
        assert f"column {name!r}: 1 of 3 rows, the first in line 3 ({shown})" in message
        assert "data.missing=drop, which leaves out 1 of 3 rows" in message
        if name == "c":
            continue  # what is left has one class
        two_classes = text.replace("3,x,u", "3,x,v")
        found = read(tmp_path, two_classes, **how, missing="drop")
        assert (found.dropped, found.rows.tolist()) == (1, [0, 2])


def test_other_words_are_values(tmp_path: Path) -> None:
    text = "a,b,c\n1,Na,none\n2,nil,N\n3,--,unknown\n"
    found = read(tmp_path, text, inputs="a,b", target="c", task="classes")
    assert found.classes == ("N", "none", "unknown")
    assert found.names == ("a", "b=--", "b=Na", "b=nil")


def test_all_columns_are_said_at_once_and_others_do_not_count(tmp_path: Path) -> None:
    text = "a,b,c,d\n1,,3,\nNA,?,4,\n3,3,-,\n4,4,5,\n5,5,6,\n"
    message = refused(tmp_path, text, inputs="a,b", target="c")
    for words in ("3 of the 3 columns", "'a': 1 of 5 rows, the first in line 3 ('NA')",
                  "'b': 2 of 5 rows, the first in line 2 (empty)",
                  "'c': 1 of 5 rows, the first in line 4 ('-')",
                  "leaves out 3 of 5 rows"):  # fmt: skip
        assert words in message
    assert "'d'" not in message
    assert len(read(tmp_path, text, inputs="a", target="c", missing="drop").inputs) == 3
    for how in ("refuse", "drop"):
        assert "no value in any row of 'd'" in refused(
            tmp_path, text, inputs="a,d", target="c", missing=how
        )
    assert "'d'.\nFix: another data.target" in refused(tmp_path, text, target="d")
    few = "a,c\n1,\n,2\n3,4\n"
    assert "too few rows" in refused(tmp_path, few, target="c", missing="drop")
    assert "not a finite" in refused(tmp_path, "a,c\n1,2\ninf,3\n,4\n", target="c", missing="drop")


TEXTS = ("01", "1", "1.0", "1.00", "1e3", "1000", "1_0", "10", "+1", "-0", "02134", "a",
         "10-12-14", "9007199254740992", "9007199254740993", "\uff11", "9" * 30, "yes")  # fmt: skip


@settings(max_examples=80, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(labels=st.lists(st.sampled_from(TEXTS), min_size=2, max_size=12))
def test_labels_keep_their_spelling(labels: list[str], tmp_path: Path) -> None:
    """Each text is a class of its own, and comes back as it was, from CSV and from Parquet."""
    if len(set(labels)) == 1:
        labels = [*labels, "other"]
    rows = "".join(f"{i},{label}\n" for i, label in enumerate(labels))
    for found in (
        read(tmp_path, f"a,c\n{rows}", target="c", task="classes"),
        from_parquet(tmp_path, pl.Series(labels)),
    ):
        assert found.classes is not None
        assert found.target is not None
        back = as_type(pl.Series([found.classes[int(i)] for i in found.target]), found.label_type)
        assert back.cast(pl.String).to_list() == labels
        assert len(found.classes) == len(set(labels))


def from_parquet(folder: Path, labels: pl.Series, **more: Any) -> Columns:
    path = folder / f"{next(COUNT)}.parquet"
    pl.DataFrame({"a": range(len(labels)), "c": labels}).write_parquet(path)
    return read_columns(path, ["a"], "c", "classes", **more)


@pytest.mark.parametrize(("labels", "kind", "classes"), [
    (["10", "9", "-1"], "Int64", ("-1", "9", "10")),
    (["10.0", "9.0", "9.0"], "Float64", ("9.0", "10.0")),
    (["10.0", "9", "9"], "String", ("10.0", "9")),
    (["010", "9", "9"], "String", ("010", "9")),
    (["true", "false", "true"], "String", ("false", "true")),
    (["TRUE", "FALSE", "TRUE"], "String", ("FALSE", "TRUE")),
    (["9007199254740993", "9007199254740992"], "Int64", ("9007199254740992", "9007199254740993")),
    (["9" * 19, "1"], "String", ("1", "9" * 19)),
    ([" a", "a ", "b"], "String", ("a", "b")),  # blanks around a cell of CSV are no part of it
])  # fmt: skip
def test_the_type_of_labels_from_csv(
    labels: list[str], kind: str, classes: tuple[str, ...], tmp_path: Path
) -> None:
    rows = "".join(f"{i},{label}\n" for i, label in enumerate(labels))
    found = read(tmp_path, f"a,c\n{rows}", target="c", task="classes")
    assert (found.label_type, found.classes) == (kind, classes)


TYPED = {
    **{str(kind): pl.Series([1, 10, 2, 1], dtype=kind) for kind in
       (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64,
        pl.Float32, pl.Float64)},
    "large": pl.Series([2**63, 2**63 + 1, 1, 1], dtype=pl.UInt64),
    "bool": pl.Series([True, False, True, True]),
    "text": pl.Series(["01", "1", "1.0", " 1"]),
    "categorical": pl.Series(["b", "a", "b", "c"], dtype=pl.Categorical),
    "enum": pl.Series(["b", "a", "b", "c"], dtype=pl.Enum(["c", "z", "b", "a"])),
    "decimal": pl.Series(["1.10", "10.25", "2.00", "1.10"]).cast(pl.Decimal(10, 2)),
    "dates as text": pl.Series(["10-12-14", "08-10-12", "14-16-18", "08-10-12"]),
}  # fmt: skip


@pytest.mark.parametrize("name", TYPED)
def test_labels_of_parquet_come_back_in_their_type(name: str, tmp_path: Path) -> None:
    labels = TYPED[name]
    found = from_parquet(tmp_path, labels)
    assert found.classes is not None
    assert found.target is not None
    back = as_type(pl.Series([found.classes[int(i)] for i in found.target]), found.label_type)
    assert back.dtype == labels.dtype
    assert back.to_list() == labels.to_list()
    if labels.dtype.is_numeric():
        in_order = as_type(pl.Series(found.classes), found.label_type).to_list()
        assert in_order == sorted(set(labels.to_list()))


@pytest.mark.parametrize(("labels", "words"), [
    (pl.Series([date(2024, 1, 1), date(2024, 1, 2)]), "holds dates"),
    (pl.Series(["2024-01-01", "2024-01-02"]), "holds dates"),
    (pl.Series([0.5, 1.0]), "numbers such as 0.5"),
    (pl.Series([[1], [2]]), "not labels"),
    (pl.Series([b"a", b"b"]), "not labels"),
    (pl.Series([None, None]), "no value in any row of 'c'"),
    (pl.Series([1.0, float("inf")]), "row 2, column 'c' is inf"),
    (pl.Series(["a", "NA", "b"]), "the first in row 2 ('NA')"),
    (pl.Series(["a", None, "b"]), "Row 1 is the first row of data"),
])  # fmt: skip
def test_labels_that_are_none(labels: pl.Series, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words.replace("(", r"\(").replace(")", r"\)")):
        from_parquet(tmp_path, labels)


@pytest.mark.parametrize(("values", "wanted"), [
    (pl.Series([True, False]), [[1], [0]]), (pl.Series([2**64 - 1, 1], dtype=pl.UInt64),
                                             [[2.0**64], [1]]),
    (pl.Series(["1.5", "2"]).cast(pl.Decimal(5, 1)), [[1.5], [2]]),
    (pl.Series(["10", "9"]), [[1, 0], [0, 1]]),  # a text column stays text
    (pl.Series(["b", "a"], dtype=pl.Categorical), [[0, 1], [1, 0]]),
    (pl.Series([time(1), time(2)]), "a date or a time"), (pl.Series([{"x": 1}] * 2), "Struct"),
    (pl.Series([b"a", b"b"]), "Binary"), (pl.Series([1.0, float("nan")]), "row 2 ('nan')"),
])  # fmt: skip
def test_inputs_of_parquet(values: pl.Series, wanted: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"a": values}).write_parquet(path)
    if isinstance(wanted, list):
        assert read_columns(path, ["a"]).inputs.tolist() == wanted
        return
    with pytest.raises(InputError) as caught:
        read_columns(path, ["a"])
    assert wanted in str(caught.value)


def test_files_in_other_clothes(tmp_path: Path) -> None:
    text = "a;b\n1;ü\n2;x\n"
    for name in ("x.csv.gz", "X.TSV.GZ", "x.txt.gz"):
        assert read(tmp_path, gzip.compress(text.encode()), name=name).inputs.tolist() == [[1], [2]]
    packed = gzip.compress((text * 99).encode())
    assert "like a gzip file, but is damaged" in refused(tmp_path, packed[:-20], name="cut.csv.gz")
    assert "ending in .csv.gz" in refused(tmp_path, packed)
    message = refused(tmp_path, text.encode("latin-1"))
    assert "line 2 has the byte 0xfc ('ü' in latin-1)" in message
    assert "iconv -f WINDOWS-1252 -t UTF-8" in message
    for encoding in ("utf-16", "utf-16-le"):
        assert "iconv -f UTF-16" in refused(tmp_path, text.encode(encoding))
    assert "Excel" in refused(tmp_path, b"PK\x03\x04xx")
    late = "a,b\n" + "1,x\n" * 400_000 + "1,"
    assert "line 400002 has the byte 0xfc" in refused(tmp_path, late.encode() + b"\xfc\n")
