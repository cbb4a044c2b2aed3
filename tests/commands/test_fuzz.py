"""Command lines by a generator: a message and exit code 2, or a valid one; never a traceback."""

from pathlib import Path

import pytest

from tests.fuzz import Answered, answer, command_line, tried

# What the generator, or an issue, has found; each was a traceback, a hang or a file left behind.
FOUND = [
    ("+experiment=sine", "hydra/launcher=10e0"),
    ("-m", "+experiment=sine", "hydra/launcher=10e0"),
    ("-m", "+experiment=sine", "hydra/sweeper=[[]]"),
    ("+experiment=sine", "hydra/sweeper=[[]]"),
    ("+experiment=sine", "hydra/job_logging=${base:data}"),
    ("-m", "+experiment=sine", "hydra/job_logging=${base:data}"),
    ("+experiment=sine", "~logger=[]"),
    ("-m", "+experiment=sine", "~logger=[]"),
    ("+experiment=sine", "hydra/help=nope"),
    ("+experiment=sine", "hydra.mode=run"),
    ("+experiment=sine", "hydra.callbacks=[1]"),
    ("+experiment=sine", "hydra.callbacks.check._target_=os.system"),
    ("+experiment=sine", "~hydra.callbacks"),
    ("+experiment=sine", "hydra.searchpath=[[]]"),
    ("-m", "+experiment=sine", "hydra.launcher=null"),
    ("-m", "+experiment=sine", "hydra.launcher._target_=os.system"),
    ("-m", "+experiment=sine", "hydra.sweeper.params=[]"),
    ("-m", "+experiment=sine", "+hydra.sweeper.params.x=1"),
    ("-m", "+experiment=sine", "hydra.sweeper.max_batch_size=0", "seed=1,2"),
    ("-m", "+experiment=sine", "+sweep.max_runs=[[]]", "hydra/sweeper=search", "seed=1,2"),
    ("-m", "+experiment=sine", "~sweep.max_runs"),
    ("-m", "+experiment=sine", "~sweep"),
    ("-m", "+experiment=sine", "~executor"),
    ("-m", "+experiment=sine", "executor=null"),
    ("-m", "+experiment=sine", "sweep=3"),
    ("-m", "hydra/sweeper=search", "+experiment=sine", "~search"),
    ("+experiment=sine", "--config-dir", "nope"),
    ("+experiment=sine", "--config-name", "nope"),
    ("+experiment=sine", "--config-path", "nope"),
    ("+experiment=sine", "--experimental-rerun", "x.pickle"),
    ("+experiment=sine", "--resolve"),
    ("+experiment=sine", "-m", "--cfg", "job"),
    ("+experiment=sine", "--cfg"),
    ("+experiment=sine", "hydra.run.dir=${experiments:}"),
    ("+experiment=sine", "hydra.sweeper.max_batch_size=${oc.env:NOPE_NOPE}", "seed=x"),
    ("-m", "+experiment=sine", "optimizer=range(0,1,0)"),
    ("+experiment=sine", "seed=" + "9" * 5000),
    ("+experiment=sine", "data.inputs=" + "[" * 1000),
    ("+experiment=sine", "hydra.job.env_copy=[NOPE_NOPE]"),
    ("+experiment=sine", "hydra=null"),
    ("+experiment=sine", "+a.b.c@d=1"),
    ("+experiment=sine", "name=\x00"),
    ("+experiment=sine", "hydra.run.dir=${oc.env:NOPE_NOPE}"),
    ("+experiment=sine", "hydra.run.dir='\x00'"),
    ("-m", "+experiment=sine", "log_every=0", "hydra/sweeper=search", "model.width=2,3"),
    ("-m", "+experiment=sine", "hydra.launcher=x", "hydra/sweeper=search", "model.width=2,3"),
    ("-m", "+experiment=sine", "~hydra.launcher._target_", "hydra/sweeper=search"),
    ("-m", "+experiment=sine", "hydra.launcher._target_=a:b", "hydra/sweeper=search"),
    ("-m", "+experiment=sine", "hydra.launcher._target_=hydra_plugins.nope.X"),
    (
        "-m",
        "+experiment=sine",
        "hydra/launcher=basic",
        "hydra/sweeper=basic",
        "optimizer=sgd,adam",
        "optimizer.momentum=0.5",
    ),
]
VALID = [
    (("+experiment=sine", "--cfg", "job"), "max_epochs: 1000"),
    (("--cfg", "hydra", "+experiment=sine"), "sweeper:"),
    (("--info", "searchpath"), "Provider"),
    (("+experiment=sine", "hydra.job.num=${oc.env:NOPE_NOPE}"), "sine"),
    (("--help",), "+experiment=sine"),
    (("--version",), "Hydra"),
    (("+experiment=sine", "hydra/launcher=basic"), "sine"),
    (("+experiment=sine", "seed=1,2", "-m"), "2 runs to train"),
    (("+experiment=sine", "seed=1,2", "hydra.mode=MULTIRUN"), "2 runs to train"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(words: tuple[str, ...]) -> str:
    return " ".join(words)[:60].encode("ascii", "replace").decode().replace("\x00", "NUL")


@pytest.mark.every(3)
@pytest.mark.parametrize("words", FOUND, ids=shown)
def test_what_was_found(words: tuple[str, ...], folder: Path) -> None:
    found = answer(list(words))
    assert found.fault == ""
    assert found.code == 2, found.text
    assert [p for p in folder.rglob("*") if p.is_file()] == []
    assert "Error: " in found.text or "error: " in found.text


@pytest.mark.every(2)
@pytest.mark.parametrize(("words", "said"), VALID, ids=lambda w: shown(w) if len(w) < 5 else "")
def test_what_is_valid(words: tuple[str, ...], said: str, folder: Path) -> None:
    found = answer(list(words))
    assert (found.fault, found.code) == ("", 0), found.text
    assert said in found.text


def faults(seeds: range, folder: Path) -> dict[int, tuple[list[str], str]]:
    codes: set[int | None] = set()
    found = {}
    for seed in seeds:
        one: Answered = tried(seed, folder)
        codes.add(one.code)
        if one.fault:
            found[seed] = (command_line(seed), one.fault[-2000:])
    assert codes >= {0, 2}  # the generator makes both
    return found


def test_a_few(folder: Path) -> None:
    assert faults(range(10_000, 10_015), folder) == {}
    assert Path.cwd() == folder


@pytest.mark.slow
def test_ten_thousand(folder: Path) -> None:
    assert faults(range(10_000), folder) == {}


def test_the_generator_says_the_same_again() -> None:
    assert [command_line(s) for s in range(50)] == [command_line(s) for s in range(50)]
    assert len({tuple(command_line(s)) for s in range(200)}) > 150
