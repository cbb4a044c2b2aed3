"""Names of files and folders: each works as it stands, whatever a shell or a grammar makes."""

import io
import os
import subprocess
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

from small_nets.commands import predict, report
from small_nets.commands.python_api import call
from small_nets.config.grammar_quoting import override, to_the_letter
from small_nets.notebook import run
from small_nets.run.terminal.tables import PlainConsole
from small_nets.sweep.store.store import Store
from small_nets.system.shell_words import join, quote, quote_path

NAMES = [
    "t[4]", "{b}", "50%", "ü'", "=x", "a=b", "*", "?", "a,b", "${seed}", "$HOME", "~", "~x", "-x",
    "--help", "a ", " a", "two\nlines", 'say "hi"', "it's", "\\", "a\\'b", "#", ";", "&&", "null",
    "true", "1e3", "[1,2]", "{a: 1}", "a:b", "s3:", "(", "\x1b[31mred", "range(1,3)", "..a", "%j",
    "${oc.env:HOME}", "\\${x}", "'", "x" * 200,
]  # fmt: skip
TEXT = st.text(
    st.sampled_from(list("ab1 .,/\\'\"${}[]()=*%ü~-:@#?!|&;<>`^+\n")), min_size=1, max_size=12
)


@settings(max_examples=300, deadline=None)
@given(TEXT)
@example("\\")
@example("\\'${a}\\")
def test_hydra_takes_a_text_to_the_letter(text: str) -> None:
    assume(text != "???")  # a path is ./???, and no other text is one that a message prints
    value = OverridesParser.create().parse_override(f"sweep.dir={to_the_letter(text)}").value()
    assert OmegaConf.create({"a": "other", "dir": value}).dir == text


@pytest.mark.parametrize("name", NAMES)
def test_hydra_takes_a_name_to_the_letter(name: str) -> None:
    value = OverridesParser.create().parse_override(f"sweep.dir={to_the_letter(name)}").value()
    assert OmegaConf.create({"dir": value}).dir == name


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_takes_a_word_to_the_letter(shell: str) -> None:
    words = [*NAMES, override("sweep.dir", "a b"), "\udcff"]
    try:
        done = subprocess.run(
            [shell, "-c", f"printf '%s\\0' {join(words)}"], capture_output=True, check=True
        )
    except FileNotFoundError:
        pytest.skip(f"there is no {shell} here")
    assert [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]] == words


def test_a_path_is_no_option_and_no_home() -> None:
    assert [quote_path(Path(name)) for name in ("-x", "~", "a b", "=x")] == [
        "./-x", "'./~'", "'a b'", "'=x'"
    ]  # fmt: skip
    assert quote("plain") == "plain"


@pytest.mark.more
@pytest.mark.parametrize(
    "name",
    [
        "t[4] {b} *",
        "~",
        "\x1b[31m50%j\n ",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("${seed}", "-x=\\", "a,b", "=x")),
    ],
)
def test_a_sweep_in_a_folder_of_any_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ("+experiment=proportional", "trainer.max_epochs=3", "sweep.directories=1",
            f"sweep.dir={to_the_letter(name)}")  # fmt: skip
    text = io.StringIO()
    for seeds in ("1", "1,2"):
        call([*line, f"seed={seeds}"], PlainConsole(file=text, width=200))
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]
    assert len(Store(Path(name)).read()) == 2
    assert "\x1b" not in text.getvalue()
    directory = f"./{name}" if name.startswith("-") else name
    report.main([directory, "--format", "csv"])
    predict.main([f"{directory}/1", "--inputs", "[[2.0]]"])
    assert "\x1b" not in capsys.readouterr().out
    assert (tmp_path / name / "sweep.json").exists()


@pytest.mark.every(2)
@pytest.mark.parametrize("name", ["t[4] 50%", "${seed}", "~", "a\n "])
def test_a_run_in_a_folder_of_any_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("+experiment=proportional", "trainer.max_epochs=3",
               f"hydra.run.dir={to_the_letter(name)}")  # fmt: skip
    assert (tmp_path / name / "result.json").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]
    assert done.directory.samefile(tmp_path / name)
    boards = EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    assert list(boards.Reload().Runs()) == [name]


@pytest.mark.more
def test_links_and_parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "here")
    line = ("+experiment=proportional", "trainer.max_epochs=3", "seed=1,2")
    for where in ("../up", "../link"):
        call([*line, f"sweep.dir={where}"], PlainConsole(file=io.StringIO()))
        report.main([where, "--format", "csv"])
        predict.main([f"{where}/0", "--inputs", "[[2.0]]"])
    assert (tmp_path / "real" / "sweep.json").exists()
    assert (tmp_path / "up" / "sweep.json").exists()
