"""The rows of a CSV file are those that were written, whichever columns are asked for."""

import csv
import io
import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from small_nets.config.errors import InputError
from small_nets.data.csv_records import records
from small_nets.data.csv_separator import find_separator
from small_nets.data.table_cells import _regular, _strict, read_cells
from small_nets.data.table_columns import read_columns
from small_nets.data.table_file import open_table

COUNT = itertools.count()
Table = tuple[list[str], list[list[str]], str, Any, str]
# What a reader can trip over. A carriage return is quoted by csv.writer only where all cells are.
LETTERS = "ab1.5 ,;\t|'\"#\\é中\u2028\u00a0%=-"


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Names, rows, separator, quoting and line end of a file for csv.writer."""
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    letters = LETTERS + ("\r\n" if quoting != csv.QUOTE_MINIMAL else end)
    cell = st.text(st.sampled_from(letters), max_size=6)
    width = draw(st.integers(1, 4))
    name = (
        st.text('abcXYZ",;| é' + "\n" * ("\n" in letters), min_size=1, max_size=4)
        .map(str.strip)
        .filter(bool)
    )
    names = draw(st.lists(name, min_size=width, max_size=width, unique=True))
    rows = draw(st.lists(st.lists(cell, min_size=width, max_size=width), max_size=6))
    return names, rows, draw(st.sampled_from(",;\t|")), quoting, end


def write(path: Path, names: Sequence[str], rows: Sequence[Sequence[str]], separator: str,
          quoting: Any, end: str) -> None:  # fmt: skip
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=separator, quoting=quoting, lineterminator=end)
        writer.writerow(names)
        writer.writerows(rows)


@settings(max_examples=150, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(table=tables(), data=st.data())
def test_what_was_written_is_read(table: Table, data: st.DataObject, tmp_path: Path) -> None:
    names, rows, separator, quoting, end = table
    path = tmp_path / f"{next(COUNT)}.csv"  # a reader may keep what it knows of a file
    write(path, *table)
    file = open_table(path, separator)
    assert list(file.header) == names
    asked = data.draw(st.lists(st.integers(0, len(names) - 1), min_size=1, unique=True))
    found = read_cells(file, asked)
    assert len(found) == len(rows)
    assert [list(row) for row in found.frame.iter_rows()] == [[r[i] for i in asked] for r in rows]
    assert found.lines is not None
    # A row's line is where an editor shows its first cell.
    ahead = io.StringIO(newline="")
    for line, row in zip(found.lines, [names, *rows], strict=False):
        csv.writer(ahead, delimiter=separator, quoting=quoting, lineterminator=end).writerow(row)
        text = ahead.getvalue()
        assert line == text.count("\n") + text.count("\r") - text.count("\r\n") + 1


@settings(max_examples=100, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    cells=st.lists(st.lists(st.text("ab1.5 ;|'é\u2028", max_size=4), min_size=3, max_size=3),
                   min_size=1, max_size=8),
    end=st.sampled_from(["\n", "\r\n"]), tail=st.sampled_from(["", "\n", "\r\n\r\n"]),
    mark=st.booleans(),
)  # fmt: skip
def test_both_readers_agree_without_quotes(
    cells: list[list[str]], end: str, tail: str, mark: bool, tmp_path: Path
) -> None:
    path = tmp_path / f"{next(COUNT)}.csv"
    text = end.join(",".join(row) for row in [["a", "b", "c"], *cells]) + tail
    path.write_text("\ufeff" * mark + text, newline="")
    file = open_table(path, ",")
    fast, slow = _regular(file, path.read_bytes(), [2, 0]), _strict(file, text, [2, 0])
    assert fast is not None
    assert fast.frame.rows() == slow.frame.rows() == [(row[2], row[0]) for row in cells]
    assert fast.lines is not None
    assert slow.lines is not None
    assert list(fast.lines) == list(slow.lines)


@pytest.mark.parametrize("every", [1, 2, 3, 7])
@pytest.mark.parametrize("note", ["pipe {i}{q}", "{q}pipe{q} {i} {q}", "5{q}x{q}{q}{q}", "{i}{q},"])
def test_a_stray_quote_costs_no_row(every: int, note: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    is_quoted = note.startswith("{q}")
    rows = []
    for i in range(20):
        text = note.format(i=i, q='"' if i % every == 0 else "").rstrip(",")
        cell = '"' + text.replace('"', '""') + '"' if is_quoted else text
        rows.append(f"{i},{2 * i},{cell}\n")
    path.write_text("x,y,note\n" + "".join(rows))
    for asked in (["x"], ["y", "x"], ["x", "y"]):
        assert len(read_columns(path, asked).inputs) == 20
    found = read_columns(path, ["x"], "y")
    assert found.inputs[:, 0].tolist() == list(range(20))
    assert found.target is not None
    assert found.target.tolist() == [2 * i for i in range(20)]


# the file's text -> what the message says of it
BROKEN = {
    "a quote that is not closed": (
        'a,b\n1,2\n3,"4\n5,6\n', ("line 3: a double quote opens", "nothing closes it")),
    "behind one of several lines": (
        'a,b\n1,"x\ny"\n3,"4\n5,6\n', ("line 4: a double quote opens",)),
    "in the header": ('a,"b\n1,2\n', ("line 1: a double quote opens",)),
    "text behind it": ('a,b\n1,"2"x\n', ("line 2: a quoted cell ends there", "written twice")),
    "two that swallow a row": (
        'a,b\n1,"pipe\n2,"pipe\n3,4\n', ("line 3: a quoted cell, opened in line 2, ends")),
    "backslashes": ('a,b\n1,"say \\"hi\\""\n', ("line 2: a quoted cell ends there",)),
    "carriage returns": ('a,b\r1,2\r3,"4\r', ("line 3: a double quote opens",)),
    "a comment on top": ("# by me\na,b,c\n1,2,3\n4,5,6\n", ("'# by me', one cell",)),
    "a comment below": ("a,b\n1,2\n# x\n3,4\n", ("line 3 has 1 cell", "if it is a comment")),
    "a NUL": ("a,b\n1,2\n3,\0\n", ("line 3 holds a NUL",)),
    "a row that is short": ('a,b\n1,"2"\n3\n', ("line 3 has 1 cell, and the header has 2",)),
    "a row that is long": ("a,b\n1,2\n3,4,5\n", ("line 3 has 3 cells",)),
    "a blank line": ('a,b\n1,"2"\n\n3,4\n', ("line 3 is empty",)),
    "no header": ("1,2,3\n4,5,6\n", ("a line of column names seems to be missing",)),
    "no header, twice the same": ("1,1,3\n4,5,6\n", ("'1' more than once", "seem to be missing")),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_table(name: str, tmp_path: Path) -> None:
    text, words = BROKEN[name]
    path = tmp_path / "x.csv"
    path.write_text(text, newline="")
    for asked in (["a"], ["b", "a"]):
        with pytest.raises(InputError) as caught:
            read_columns(path, asked)
        assert all(word in str(caught.value) for word in words), caught.value


def test_a_long_cell_is_no_error_and_leaves_no_limit_behind(tmp_path: Path) -> None:
    path, limit = tmp_path / "x.csv", csv.field_size_limit()
    path.write_text('a,note\n1,"' + "x" * (limit + 10) + '"\n2,y\n')
    assert read_columns(path, ["a"]).inputs.tolist() == [[1], [2]]
    assert csv.field_size_limit() == limit


def test_many_records_are_read_in_blocks() -> None:
    text = "".join(f'{i},"{i}"\n' for i in range(10_000))
    found = list(records(Path("x.csv"), text, ","))
    assert [line for lines, _ in found for line in lines] == list(range(1, 10_001))
    assert [r for _, block in found for r in block] == [[str(i)] * 2 for i in range(10_000)]
    assert len(found) == 3


def test_a_name_over_two_lines_is_one_header(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('a" ,"b\n c"\n1,2\n')
    assert open_table(path).columns == ('a"', "b\n c")
    assert read_columns(path, ['a"']).inputs.tolist() == [[1]]


# the start of a file -> its separator; "" where that cannot be told
SEPARATORS = {
    "a,b\n1,2\n": ",", "a;b\n1,5;2,5\n": ";", "a\tb\n1,2\t3,4\n": "\t", "a|b\n1|2\n": "|",
    'a;b\n"x, y";1\n"z, u";2\n': ";", '"a;1","b;2","c"\n1,2,3\n4,5,6\n': ",",
    "a,b,note\n1,2,x; y; z\n3,4,u\n": ",", "a\n1\n2\n": ",", "a,b;c\n1,5;2\n3,5;2\n": "",
    "city;x\nParis, France;1\nRome, Italy;2\n": ";", 'a;b\n1;"x\ny, z"\n2;u\n': ";",
    "when,x\n1;2;3,4\n5,6\n": ",", "a;b;c\n": ";", 'a,b\n1,"2"x\n': ",",
}  # fmt: skip


@pytest.mark.parametrize("text", SEPARATORS)
def test_the_separator_is_found(text: str) -> None:
    path, wanted = Path("x.csv"), SEPARATORS[text]
    if wanted:
        assert find_separator(path, text) == wanted
        return
    with pytest.raises(InputError, match=r"data\.separator=comma or data\.separator=semicolon"):
        find_separator(path, text)
    assert find_separator(path, text, prefer=";") == ";"


def test_a_blank_parts_cells_only_where_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("a b\n1 2\n3 4\n")
    assert open_table(path).columns == ("a b",)
    assert open_table(path, prefer=" ").columns == ("a", "b")  # that of a run's own table
    assert read_columns(path, ["b"], separator=" ").inputs.tolist() == [[2], [4]]
    path.write_text("sep=;\na;b\n1;2\n")
    with pytest.raises(InputError, match="first line is meant for Excel"):
        read_columns(path, ["a"])
    path.write_text('a,b\n1, "x, y"\n')
    with pytest.raises(InputError, match="no blank between a separator and a double quote"):
        read_columns(path, ["a"])


def test_names_with_pattern_letters(tmp_path: Path) -> None:
    """d[1].csv is not d1.csv, nor is d?.parquet a pattern."""
    for i, name in enumerate(("d[1]", "d1", "d*", "d?", "~", "a [1] {b} 50% ü'=*", "year=2020")):
        frame = pl.DataFrame({"a": [float(i)] * 3})
        frame.write_csv(tmp_path / f"{name}.csv")
        with (tmp_path / f"{name}.parquet").open("wb") as file:
            frame.write_parquet(file)
    for i, name in enumerate(("d[1]", "d1", "d*", "d?", "~", "a [1] {b} 50% ü'=*", "year=2020")):
        for suffix in ("csv", "parquet"):
            assert read_columns(tmp_path / f"{name}.{suffix}", ["a"]).inputs.tolist() == [[i]] * 3


def test_bytes_at_random_are_refused_or_read(tmp_path: Path) -> None:
    """Whatever the file holds: columns, or an InputError."""
    r = random.Random(0)
    for _ in range(400):
        body = "".join(r.choice(['"', ",", "\n", "\r", "1", "x", ";", " ", "é", "-"])
                       for _ in range(r.randrange(30)))  # fmt: skip
        path = tmp_path / f"{next(COUNT)}.csv"
        path.write_text(f"a,b\n{body}", newline="")
        counts = set()
        for asked in (["a"], ["b"], ["a", "b"]):
            try:
                counts.add(len(read_cells(open_table(path, ","), [*map(["a", "b"].index, asked)])))
            except InputError as error:
                counts.add(str(error))
        assert len(counts) == 1, body


def test_damaged_parquet_is_refused_or_read(tmp_path: Path) -> None:
    """Whatever bytes are changed or missing."""
    r, path = random.Random(0), tmp_path / "whole.parquet"
    pl.DataFrame({"a": range(100), "c": [f"x{i % 3}" for i in range(100)]}).write_parquet(path)
    whole, refusals = path.read_bytes(), 0
    for _ in range(30):
        content = bytearray(whole[: r.choice([len(whole), r.randrange(len(whole))])])
        content[r.randrange(len(content))] ^= 1 << r.randrange(8)
        path = tmp_path / f"{next(COUNT)}.parquet"
        path.write_bytes(content)
        try:
            read_columns(path, ["a"], "c", "classes")
        except InputError:
            refusals += 1
    assert refusals > 10
