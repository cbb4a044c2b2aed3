"""What a name holds reaches no terminal: escape sequences, and marks that turn what is read."""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.progress import Progress, TextColumn
from rich.text import Text

from small_nets.config.errors import InputError, answered
from small_nets.config.grammar_quoting import to_the_letter
from small_nets.run.terminal.tables import PlainConsole, new_table, print_titled
from small_nets.system.argument_parser import Parser
from small_nets.system.printable import printable, take_any_text
from tests.conftest import Answer

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\u2066\r\x08\x00"
LEFT = [*map(chr, range(9)), "\x0b", "\x0c", "\r", *map(chr, range(0x0E, 0x20)), "\x7f",
        *map(chr, range(0x80, 0xA0)), *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
        *"\u200e\u200f\u061c\u2028\u2029"]  # fmt: skip


def is_clean(text: str) -> bool:
    return not set(text) & set(LEFT)


@given(st.text())
def test_any_text(text: str) -> None:
    shown = printable(text)
    assert is_clean(shown)
    shown.encode()  # no half characters
    assert printable(shown) == shown
    if is_clean(text) and text.isprintable():
        assert shown == text


def test_what_is_escaped_and_what_stays() -> None:
    assert printable("\x1b[1m") == r"\x1b[1m"
    assert printable("a\u202eb") == r"a\u202eb"
    assert printable("\udcff") == r"\udcff"
    assert printable("two\nlines\tü 数 → 👍") == "two\nlines\tü 数 → 👍"
    assert all(printable(character) != character for character in LEFT)


def test_a_console_shows_what_a_text_holds() -> None:
    file = io.StringIO()
    console = PlainConsole(file=file, width=200, force_terminal=True, color_system=None)
    console.print(EVIL, style="bold")
    console.print(EVIL, soft_wrap=True)
    console.print(Text(EVIL))
    table = new_table(EVIL, "b")
    table.add_row(EVIL, EVIL)
    print_titled(console, EVIL, table)
    with Progress(TextColumn("{task.description}"), console=console, auto_refresh=False) as bars:
        bars.add_task(EVIL, total=1)
        bars.refresh()
    text = file.getvalue()
    assert text.count(r"\x1b]0;owned") >= 7
    assert "\x1b]0" not in text
    assert "\x1b[2J" not in text
    assert not set(text) & set("\u202e\u2066\x9b\x07\x08\x00")


def test_errors_and_refused_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), answered():
        raise InputError(f"no {EVIL}")
    with pytest.raises(SystemExit), answered():
        raise FileNotFoundError(2, "No such file", EVIL)
    with pytest.raises(SystemExit):
        Parser(prog="x").parse_args([EVIL])
    found = capsys.readouterr()
    assert is_clean(found.err + found.out)
    assert found.err.count(r"\x1b]0;owned") == 3


@pytest.mark.more
def test_the_commands(tmp_path: Path, command: Callable[..., Answer]) -> None:
    evil = "\x1b[2J\u202e\x07"
    rows = {evil: [1.0, 2, 3, 4] * 3, "c": ["x\x1b[31m", "y"] * 6}
    pl.DataFrame(rows).write_csv(tmp_path / "t.csv")
    line = ("data=table", "data.path=t.csv", f"data.inputs=[{to_the_letter(evil)}]",
            "data.target=c", "loss=cross_entropy", "trainer.max_epochs=2",
            "logger=none")  # fmt: skip
    for module, *arguments in (
        ("src.train", *line, f"name={to_the_letter('my' + evil)}", "hydra.run.dir=run"),
        ("src.train", "-m", *line, "seed=1,2", f"sweep.dir={to_the_letter('s' + evil)}"),
        ("src.report", f"s{evil}", "--metric", evil),
        ("src.predict", "run", "--inputs", f"{evil}.csv"),
        ("src.train", "+experiment=sine", f"optimizer.lr={to_the_letter(evil)}"),
        ("src.train", f"{evil}=1"),
    ):
        answer = command(module, *arguments)
        assert is_clean(answer.out + answer.err), arguments
        assert "Traceback" not in answer.err, answer.err


def test_a_narrow_encoding_shows_and_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", out)
    take_any_text()
    print("ü → 数")
    out.flush()
    assert out.buffer.getvalue() == "ü \\u2192 \\u6570\n".encode("latin-1")  # type: ignore[attr-defined]
