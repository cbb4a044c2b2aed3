"""What TensorBoard's server answers on 127.0.0.1 of sweeps and of runs beside each other."""

import json
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


def means(table: pl.DataFrame, metric: str) -> dict[tuple[str, float], float]:
    completed = table.filter(pl.col("status") == "completed")
    return {(o, lr): float(rows[metric].mean() or 0)  # type: ignore[arg-type]
            for (o, lr), rows in completed.group_by("optimizer", "optimizer.lr")}  # type: ignore  # fmt: skip


def test_a_sweep_in_hparams(grid: Swept) -> None:
    """Seeds are trials of one group; what diverged is counted, and enters no average."""
    table = grid.table
    runs = {str(job) for job in table["job"]} | {"sweep"}
    with serve(grid.store.directory) as address:
        wait_for(address, runs)
        infos = ask(f"{address}/data/plugin/hparams/experiment", {"experimentName": ""})
        columns = {info["name"]: info for info in infos["hparamInfos"]}
        assert set(columns) == {"experiment", "optimizer", "optimizer.lr"}
        assert set(columns["optimizer"]["domainDiscrete"]) == {"sgd", "adam"}
        lr = columns["optimizer.lr"]["domainInterval"]
        assert (lr["minValue"], lr["maxValue"]) == (0.01, 1.0)
        shown = {m["name"]["tag"] for m in infos["metricInfos"]}
        wanted = {"train/loss", "val/loss", "best/train/loss", "best/val/loss", "diverged"}
        assert wanted <= shown
        groups = sessions(address, columns, wanted, 10)
    assert len(groups) == 4
    for group in groups:
        setting = (group["hparams"]["optimizer"], group["hparams"]["optimizer.lr"])
        found = metrics_in(group)
        rows = table.filter(pl.col("optimizer") == setting[0], pl.col("optimizer.lr") == setting[1])
        assert found["diverged"] == len(rows.filter(status="diverged"))
        if setting == ("sgd", 1.0):
            assert found == {"diverged": 3, "runs": 0}
            assert [s["status"] for s in group["sessions"]] == ["STATUS_FAILURE"]
        else:
            assert len(group["sessions"]) == 3
            for metric in ("val/loss", "best/val/loss"):
                assert found[metric] == pytest.approx(means(table, metric)[setting], rel=1e-5)


def test_bands_of_a_sweep(grid: Swept) -> None:
    curves = grid.store.curves()
    with serve(grid.store.directory) as address:
        tags = wait_for(address, {"sweep"})["sweep"]
        layout = ask(f"{address}/data/plugin/custom_scalars/layout")
        (category,) = [c for c in layout["category"] if c["title"] == "sweep grid"]
        chart = next(c for c in category["chart"] if c["title"].startswith("val/loss, settings 1"))
        series = chart["margin"]["series"]
        assert len(series) == 3  # the setting that diverged has no band
        for line in series:
            assert {line["value"], line["lower"], line["upper"]} <= set(tags)
        best = series[0]["value"]
        points = ask(f"{address}/data/plugin/scalars/scalars?run=sweep&tag={quote(best)}")
    values = dict(re.findall(r"([\w.]+)=([\w.]+)", best))
    rows = grid.table.filter(
        pl.col("optimizer") == values["optimizer"],
        pl.col("optimizer.lr") == float(values["optimizer.lr"]),
    )
    at = curves.filter(pl.col("run_id").is_in(rows["run_id"].to_list()))
    wanted = at.group_by("step").agg(pl.col("val/loss").mean()).sort("step")
    assert [p[1] for p in points] == wanted["step"].to_list() == [0, 10, 20, 30, 40]
    assert [p[2] for p in points] == pytest.approx(wanted["val/loss"].to_list(), rel=1e-5)


def test_a_large_sweep_has_a_session_for_each_setting(
    sweep: Callable[..., Swept], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("small_nets.sweep.results.sweep_events.MOST_RUNS", 5)
    base = ("+experiment=temperature_linear", "trainer.max_epochs=30", "optimizer.lr=0.001,0.01,10")
    small = sweep(*base, "seed=0")  # three runs: a session each, taken back when it grows
    assert list(small.store.directory.glob("0/*.session"))
    done = sweep(*base, "seed=range(3)")
    assert not list(done.store.directory.glob("[0-9]*/*.session"))
    with serve(done.store.directory) as address:
        wait_for(address, {"sweep", *(f"sweep/settings/00{i}" for i in (1, 2, 3))})
        groups = sessions(address, ["optimizer.lr"], ["val/loss", "runs", "diverged"], 3)
    found = {g["hparams"]["optimizer.lr"]: metrics_in(g) for g in groups}
    assert found[10] == {"runs": 0, "diverged": 3}
    for lr in (0.001, 0.01):
        mean = done.table.filter(pl.col("optimizer.lr") == lr)["val/loss"].mean()
        wanted = {"val/loss": mean, "runs": 3, "diverged": 0}
        assert {m: found[lr][m] for m in wanted} == pytest.approx(wanted, rel=1e-5)


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
        assert {"experiment", "optimizer", "optimizer.lr"} <= names
        assert not {"seed", "data.split_seed"} & names
        groups = sessions(address, ["optimizer.lr"], ["val/loss", "best/val/loss"], 5)
        layout = ask(f"{address}/data/plugin/custom_scalars/layout")
    by_size = {len(g["sessions"]): g for g in groups}
    assert sorted(len(g["sessions"]) for g in groups) == [1, 1, 3]
    mean = sum(d.result.metrics["val/loss"] for d in done) / 3
    assert metrics_in(by_size[3])["val/loss"] == pytest.approx(mean)
    best = sum(min(d.result.curves["val/loss"]) for d in done) / 3
    assert metrics_in(by_size[3])["best/val/loss"] == pytest.approx(best)
    (chart,) = next(c for c in layout["category"] if c["title"] == "losses")["chart"]
    assert chart["multiline"]["tag"] == ["train/loss", "val/loss"]
