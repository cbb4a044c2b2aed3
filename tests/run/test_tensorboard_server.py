"""What TensorBoard's server answers on 127.0.0.1 of sweeps and of runs beside each other."""

import json
import math
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
import pytest

from small_nets.run.outputs.hparams import tag
from small_nets.sweep.results.ranking import rank, setting_text
from small_nets.sweep.results.standard import Standard
from tests.conftest import Finished, Swept


def ask(address: str, content: dict[str, Any] | None = None) -> Any:
    data = None if content is None else json.dumps(content).encode()
    headers = {"Content-Type": "application/json"}
    for _ in range(60):
        try:
            with urllib.request.urlopen(
                urllib.request.Request(address, data, headers), timeout=10
            ) as answer:
                found = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            error.close()
            found = None
        if found:
            return found
        time.sleep(0.5)  # it reads the logs on a thread of its own
    pytest.fail(f"no answer from {address}")


@pytest.fixture
def grid(sweep: Callable[..., Swept]) -> Swept:
    return sweep(
        "+experiment=temperature_mlp", "trainer.max_epochs=40", "log_every=10", "seed=range(3)",
        "optimizer=sgd,adam", "optimizer.lr=0.01,1", to="logs/grid",
    )  # fmt: skip


@contextmanager
def serve(logs: Path) -> Iterator[str]:
    """The address of TensorBoard on these logs."""
    with subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs), "--host", "127.0.0.1",
         "--port", "0", "--load_fast", "false"],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if (found := re.search(r"http://127\.0\.0\.1:\d+", line)) is not None:
                    yield found[0]
                    break
            else:
                pytest.fail("TensorBoard did not start")
        finally:
            process.terminate()
            process.stderr.read()


def wait_for(address: str, runs: set[str]) -> dict[str, Any]:
    """The scalars' tags by run, once all of these runs were read."""
    found: dict[str, Any] = {}
    for _ in range(60):
        found = ask(f"{address}/data/plugin/scalars/tags")
        if runs <= set(found):
            return found
        time.sleep(0.5)
    pytest.fail(f"TensorBoard shows {sorted(found)}, not {sorted(runs)}")


def sessions(
    address: str, hparams: Iterable[str], metrics: Iterable[str], count: int
) -> list[dict[str, Any]]:
    """The session groups, once so many sessions were read, with all of their metrics."""
    request = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_UNKNOWN"],
        "colParams": [*({"hparam": name} for name in hparams),
                      *({"metric": {"group": "", "tag": tag}} for tag in metrics)],
        "startIndex": 0, "sliceSize": 1000,
    }  # fmt: skip
    found: list[dict[str, Any]] = []
    for _ in range(60):
        before = found
        answer = ask(f"{address}/data/plugin/hparams/session_groups", request)
        found = answer["sessionGroups"]
        # TensorBoard shows a run when it has read its file's beginning.
        if found == before and sum(len(group["sessions"]) for group in found) == count:
            return found
        time.sleep(0.5)
    pytest.fail(f"TensorBoard shows {found}, not {count} sessions")


def metrics_in(group: dict[str, Any]) -> dict[str, float]:
    return {m["name"]["tag"]: m["value"] for m in group["metricValues"]}


def medians(table: pl.DataFrame, metric: str) -> dict[tuple[str, float], float]:
    value = pl.when(pl.col("status") == "completed").then(metric).otherwise(math.inf)
    rows = table.group_by("optimizer", "optimizer.lr").agg(value.median())
    return {(optimizer, lr): middle for optimizer, lr, middle in rows.iter_rows()}


def test_a_sweep_in_tensorboard(grid: Swept) -> None:
    """A run for each setting, the best first; what diverged is counted, and enters no average."""
    table, folder = grid.table, grid.store.directory / "tensorboard"
    ranked = rank(table, list(grid.store.swept), Standard("val/loss"))
    runs = [f"{i:02d} {setting_text(r.setting)}" for i, r in enumerate(ranked, 1)]
    with serve(folder) as address:
        tags = wait_for(address, set(runs))
        assert sorted(tags) == runs
        infos = ask(f"{address}/data/plugin/hparams/experiment", {"experimentName": ""})
        columns = {info["name"]: info for info in infos["hparamInfos"]}
        assert set(columns) == {" experiment", " optimizer", " optimizer.lr"}
        assert set(columns[" optimizer"]["domainDiscrete"]) == {"sgd", "adam"}
        shown = {m["name"]["tag"] for m in infos["metricInfos"]}
        wanted = {"train/loss", "val/loss", *map(tag, ("best/val/loss", "diverged", "runs"))}
        assert wanted <= shown
        groups = sessions(address, columns, wanted, 4)
        layout = ask(f"{address}/data/plugin/custom_scalars/layout")
        (category,) = [c for c in layout["category"] if c["title"] == "sweep grid"]
        (line,) = category["chart"][1]["margin"]["series"]
        assert line["value"] == "val/loss"
        for r, run in zip(ranked, runs, strict=True):  # the setting that diverged has no band
            assert (set(line.values()) <= set(tags[run])) == (r.best_job is not None)
        where = f"{address}/data/plugin/scalars/scalars?run={quote(runs[0])}&tag="
        points = ask(f"{where}{quote('val/loss')}")
    for group in groups:
        setting = (group["hparams"][" optimizer"], group["hparams"][" optimizer.lr"])
        found = metrics_in(group)
        rows = table.filter(pl.col("optimizer") == setting[0], pl.col("optimizer.lr") == setting[1])
        assert found[tag("diverged")] == len(rows.filter(status="diverged"))
        if setting == ("sgd", 1.0):
            assert found == {tag("diverged"): 3, tag("runs"): 3, tag("success"): 0}
            assert [s["status"] for s in group["sessions"]] == ["STATUS_FAILURE"]
        else:
            for metric in ("val/loss", "best/val/loss"):
                middle = pytest.approx(medians(table, metric)[setting], rel=1e-5)
                assert found[tag(metric)] == middle
    best = ranked[0].setting
    rows = table.filter(pl.col("optimizer") == best["optimizer"],
                        pl.col("optimizer.lr") == best["optimizer.lr"])  # fmt: skip
    at = grid.store.curves().filter(pl.col("run_id").is_in(rows["run_id"].to_list()))
    wanted = at.group_by("step").agg(pl.col("val/loss").median()).sort("step")
    assert [p[1] for p in points] == wanted["step"].to_list() == [0, 10, 20, 30, 40]
    assert [p[2] for p in points] == pytest.approx(wanted["val/loss"].to_list(), rel=1e-5)


@pytest.mark.more
def test_single_runs_of_several_seeds_are_one_group(finish: Callable[..., Finished]) -> None:
    """And the one that diverged is not among them."""
    base = ("+experiment=temperature_linear", "trainer.max_epochs=30", "logger=tensorboard")
    done = [finish(*base, f"seed={seed}") for seed in (0, 1, 2)]
    finish(*base, "optimizer.lr=0.02")
    lost = finish(*base, "optimizer.lr=1", "seed=3")
    assert lost.result.status == "diverged"
    with serve(lost.directory.parent) as address:
        wait_for(address, {f"run{i}" for i in (1, 2, 3, 4, 5)})
        infos = ask(f"{address}/data/plugin/hparams/experiment", {"experimentName": ""})
        names = {info["name"] for info in infos["hparamInfos"]}
        assert {" experiment", " optimizer", " optimizer.lr"} <= names
        assert not {"seed", "data.split_seed"} & names
        groups = sessions(address, [" optimizer.lr"], ["val/loss", tag("best/val/loss")], 5)
        layout = ask(f"{address}/data/plugin/custom_scalars/layout")
    by_size = {len(g["sessions"]): g for g in groups}
    assert sorted(len(g["sessions"]) for g in groups) == [1, 1, 3]
    mean = sum(d.result.metrics["val/loss"] for d in done) / 3
    assert metrics_in(by_size[3])["val/loss"] == pytest.approx(mean)
    best = sum(min(d.result.curves["val/loss"]) for d in done) / 3
    assert metrics_in(by_size[3])[tag("best/val/loss")] == pytest.approx(best)
    (chart,) = next(c for c in layout["category"] if c["title"] == "losses")["chart"]
    assert chart["multiline"]["tag"] == ["train/loss", "val/loss"]
