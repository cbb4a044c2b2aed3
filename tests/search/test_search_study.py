"""A study asks the same points again, whatever happens to its process and its file."""

import importlib.util
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import FrozenTrial, TrialState

from small_nets.config.errors import InputError
from small_nets.run.outputs.directory_kind import STUDY
from small_nets.search.journal import look_at
from small_nets.search.sampler_limits import LIMITS, refuse_missing
from small_nets.search.study import Search
from small_nets.system.command_names import install_command
from tests.search.studies import NUMBERS, bowl, open_search, run

# Half a second a trial; and with SciPy installed every process that trains a single run takes two
# seconds longer, so the extra `test` goes without.
GP = [
    pytest.mark.slow,
    pytest.mark.skipif(not importlib.util.find_spec("scipy"), reason="no SciPy"),
]


SAMPLERS = [pytest.param(name, marks=GP if name == "gp" else []) for name in LIMITS]


BRANCHES = ("optimizer=sgd,adam,momentum", "optimizer.momentum=interval(0.1,0.9)",
            "optimizer.lr=tag(log, interval(1e-4, 1))", "model.width=1,2,[5,5]")  # fmt: skip


def cliff(params: Mapping[str, Any]) -> float:
    """Least at a rate of 0.002; it diverges from 0.03 on."""
    rate = params["optimizer.lr"]
    return math.inf if rate > 0.03 else (math.log10(rate) + 2.7) ** 2 + abs(params["b"])


def branches(params: Mapping[str, Any]) -> float:
    momentum = params.get("optimizer.momentum", 0.0)
    return (math.log10(params["optimizer.lr"]) + 2) ** 2 + 1 - momentum + len(params["model.width"])


def points(trials: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    return [t.params for t in trials]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler(sampler: str, tmp_path: Path) -> None:
    """A batch is of different points, and later ones are better, where the sampler learns."""
    trials = run(open_search(tmp_path, sampler=sampler), bowl)
    assert len({str(p) for p in points(trials)}) == 48
    values = [float(t.value or 0) for t in trials]
    assert all(t.state == TrialState.COMPLETE for t in trials)
    # Spread: the first batch fills the space, for whatever is to be learned from it.
    rates = np.log10([t.params["optimizer.lr"] for t in trials[:16]])
    assert rates.std() > 0.3
    if sampler in ("tpe", "cmaes", "gp"):
        assert min(values) < 0.04 < min(values[:16])


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_conditions(sampler: str, tmp_path: Path) -> None:
    search = open_search(tmp_path, BRANCHES, sampler=sampler)
    trials = run(search, branches)
    assert search.space.conditional == ("optimizer.momentum",)
    for trial in trials:
        there = "optimizer.momentum" in trial.params
        assert there == (trial.params["optimizer"] == "momentum")
        typed = trial.user_attrs["overrides"]
        assert any(o.startswith("optimizer.momentum=") for o in typed) == there
    assert {t.params["optimizer"] for t in trials} == {"sgd", "adam", "momentum"}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_where_everything_diverges_nothing_more_is_asked(sampler: str, tmp_path: Path) -> None:
    """A lost trial is told as such, and teaches the samplers that learn."""
    trials = run(open_search(tmp_path, sampler=sampler), cliff)
    lost = [t.params["optimizer.lr"] > 0.03 for t in trials]
    assert [t.state == TrialState.PRUNED for t in trials] == lost
    assert all(t.value is None and t.user_attrs["diverged"] == 2
               for t, is_lost in zip(trials, lost, strict=True) if is_lost)  # fmt: skip
    if sampler in ("tpe", "cmaes", "gp"):
        assert sum(lost[:16]) >= 3
        assert sum(lost[32:]) <= 1


@pytest.mark.every(4)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_killed_search_asks_the_same(sampler: str, tmp_path: Path) -> None:
    """A journal is only ever written on: a process that is killed leaves a part of it."""
    has_branches = LIMITS[sampler].conditions
    arguments, value = (BRANCHES, branches) if has_branches else (NUMBERS, cliff)

    def search(folder: Path) -> Search:
        return open_search(folder, arguments, sampler=sampler, trials=24, batch=8)

    wanted = points(run(search(tmp_path), value))
    journal = (tmp_path / STUDY).read_bytes()
    ends = np.random.default_rng(0).integers(0, len(journal), 2 if sampler == "gp" else 8)
    whole = [i + 1 for i, byte in enumerate(journal) if byte == ord("\n")]
    for place, end in enumerate([*ends.tolist(), whole[len(whole) // 2]]):
        folder = tmp_path / str(place)
        folder.mkdir()
        (folder / STUDY).write_bytes(journal[:end])
        assert points(run(search(folder), value)) == wanted, end


def test_what_may_change(tmp_path: Path) -> None:
    """More trials, another batch, another sampler: what is told stays, and all is counted."""
    before = points(run(open_search(tmp_path, trials=20), cliff))
    for sampler, trials, batch in (("random", 24, 3), ("cmaes", 33, 8), ("tpe", 40, 64)):
        search = open_search(tmp_path, sampler=sampler, trials=trials, batch=batch)
        found = run(search, cliff)
        assert len(found) == trials
        assert points(found)[: len(before)] == before
        before = points(found)
    assert search.batch() == []
    assert open_search(tmp_path, trials=10).batch() == []


def test_other_seeds_ask_other_points(tmp_path: Path) -> None:
    for sampler in ("tpe", "random", "qmc", "cmaes"):
        found = []
        for seed in (0, 0, 1):
            folder = tmp_path / f"{sampler}{len(found)}"
            folder.mkdir()
            found.append(
                points(run(open_search(folder, sampler=sampler, seed=seed, trials=16), bowl))
            )
        assert found[0] == found[1]
        assert not any(p in found[0] for p in found[2])


CHANGED: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "b: float from -1.0 to 1.0 then, float from -1.0 to 2.0 now": (
        (NUMBERS[0], "b=interval(-1,2)", NUMBERS[2]), {}
    ),
    "model.width: int from 1 to 63 then, not given now": (NUMBERS[:2], {}),
    "c: not given then, 1, 2 now": ((*NUMBERS, "c=1,2"), {}),
    "search.metric: val/loss then, train/loss now": (NUMBERS, {"metric": "train/loss"}),
    "search.objective: median then, bound now": (NUMBERS, {"objective": "bound"}),
    "search.seeds: 2 then, 3 now": (NUMBERS, {"seeds": 3}),
    "direction: minimize then, maximize now": (NUMBERS, {"metric": "val/r2"}),
}  # fmt: skip


@pytest.mark.parametrize("words", CHANGED)
def test_another_search_is_refused(words: str, tmp_path: Path) -> None:
    run(open_search(tmp_path, trials=4), bowl)
    before = (tmp_path / STUDY).read_bytes()
    arguments, more = CHANGED[words]
    with pytest.raises(InputError) as caught:
        open_search(tmp_path, arguments, **more)
    assert words in str(caught.value)
    assert "Fix: another sweep.dir" in str(caught.value)
    assert (tmp_path / STUDY).read_bytes() == before


def test_a_journal_that_is_none(tmp_path: Path) -> None:
    for text in (b"notes\n", b'{"op_code":0,"worker_id":"x","study_name":"s","directions":[1]}\n'):
        (tmp_path / STUDY).write_bytes(text)
        with pytest.raises(InputError, match="cannot be read: it is not a journal of this program"):
            open_search(tmp_path)
        assert (tmp_path / STUDY).read_bytes() == text


@pytest.mark.parametrize("line", [0, 1, 5, -1])
def test_a_line_that_was_changed(tmp_path: Path, line: int) -> None:
    """It is named, and what it and those after it told is told again."""
    told = [t.params for t in run(open_search(tmp_path, trials=6), bowl)]
    path = tmp_path / STUDY
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    damaged = bytearray(lines[line])
    damaged[len(damaged) // 3] ^= 1
    lines[line] = bytes(damaged)
    path.write_bytes(b"".join(lines))
    number = len(lines) if line < 0 else line + 1
    said = look_at(path)[1]
    assert said is not None
    assert f"changed after it was written, from line {number} on" in said
    search = open_search(tmp_path, trials=6)
    assert search.repaired is not None
    assert f"line {number} of {path} was changed" in search.repaired
    assert [p.read_bytes() for p in (tmp_path / "corrupt").iterdir()] == [b"".join(lines)]
    assert [t.params for t in run(search, bowl)] == told
    assert look_at(path)[1] is None


def test_a_lock_that_was_left_behind(tmp_path: Path) -> None:
    """Optuna would wait for it for half a minute."""
    run(open_search(tmp_path, trials=4), bowl)
    (tmp_path / f"{STUDY}.lock").symlink_to(tmp_path / STUDY)
    assert len(run(open_search(tmp_path, trials=8), bowl)) == 8


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*names: str) -> None:
        monkeypatch.setattr(
            "small_nets.search.sampler_limits.find_spec", lambda n: None if n in names else n
        )

    for package, sampler, extra in (
        ("scipy", "gp", "gp"), ("cmaes", "cmaes", "search"), ("optuna", "random", "search"),
    ):  # fmt: skip
        without(package)
        with pytest.raises(InputError) as caught:
            refuse_missing(sampler)
        assert f"search.sampler={sampler} needs {package}," in str(caught.value)
        assert str(caught.value).endswith(f"\nFix: {install_command(extra)}")
    without("scipy")
    refuse_missing("tpe")
