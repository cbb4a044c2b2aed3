"""What a cluster of two nodes must stand, whichever it is. Run within one, by test_clusters.py.

The tests go in the order of this file: the last one kills a node.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from small_nets.sweep.store.store import Store
from tests.conftest import ROOT

CLUSTER = os.environ["CLUSTER"]
LETHAL = ROOT / "tests" / "clusters" / "lethal"
SWEEP = (
    *("+experiment=sine", "seed=range(40)", "model.width=5,10", "optimizer=sgd,adam"),
    *("trainer.max_epochs=300", "sweep.directories=0"),
)
THERE = (f"executor={CLUSTER}", "executor.stay_local=0", "executor.part_seconds=0.4")
THERE += ("executor.memory=2GiB",) if CLUSTER == "slurm" else ()
# To be disturbed: six cohorts, a task each.
# SLURM's jobs take seconds to begin; Ray's tasks must last long enough to be met in the middle.
LONG = (f"trainer.max_epochs={10_000 if CLUSTER == 'ray' else 3000}",)
LONG += ("model.width=5,10,15", "seed=range(20)")
LONG += ("executor.part_seconds=1000",)


def start(*overrides: str, **environment: str) -> "subprocess.Popen[str]":
    path = os.pathsep.join([str(LETHAL), str(ROOT)])
    return subprocess.Popen(
        [sys.executable, "-m", "src.train", "-m", *SWEEP, *overrides],
        env=os.environ | {"PYTHONPATH": path} | environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=400)
    print(out, err, sep="\n")
    return process.returncode, out, err


def until(test: Callable[[], object], seconds: float = 200, pause: float = 0.2) -> None:
    began = time.monotonic()
    while not test():
        assert time.monotonic() - began < seconds, "nothing came"
        time.sleep(pause)


def parts(directory: Path) -> int:
    return len(list((directory / "runs").glob("*.parquet")))


def assert_equal(one: Path, other: Path) -> None:
    """Row by row, to the bit."""
    tables = [Store(p).read().drop("seconds", "overrides").sort("job") for p in (one, other)]
    assert_frame_equal(tables[0], tables[1], check_exact=True)
    curves = [Store(p).curves().sort("run_id", "step") for p in (one, other)]
    assert_frame_equal(curves[0], curves[1], check_exact=True)


def is_idle() -> bool:
    if CLUSTER == "ray":  # a driver's tasks end with it; a process has the name of its task
        return subprocess.run(["pgrep", "-f", "^ray::perform"], check=False).returncode == 1
    done = subprocess.run(["squeue", "-h"], capture_output=True, text=True, check=True)
    return done.stdout == ""


def on_node2() -> list[int]:
    """What the second node has begun: on SLURM first the steps' keepers, which would report."""
    if CLUSTER == "ray":  # a process of the node has the name of its task while it has one
        node = os.environ["CLUSTER_NODE2"]
        done = subprocess.run(["pgrep", "-P", node, "-f", "^ray::perform"],
                              capture_output=True, text=True, check=False)  # fmt: skip
        return [int(process) for process in done.stdout.split()]
    keepers, others = [], []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if b"SLURMD_NODENAME=n2" in (folder / "environ").read_bytes().split(b"\0"):
                others.append(int(folder.name))
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                if "slurmstepd" in Path("/proc", parent, "comm").read_text():
                    keepers.append(int(parent))
    return keepers + others


def kill_node() -> None:
    """The second node, as if its power had failed: its daemon, and what it had begun.

    Only work that has just begun is sure to be lost: what is nearly done may come back first.
    """
    if CLUSTER == "ray":  # its processes are used again
        until(lambda: not on_node2(), pause=0.02)
        until(on_node2, pause=0.02)
    else:
        before = set(on_node2())
        until(lambda: on_node2() and before.isdisjoint(on_node2()))
    begun = on_node2()
    os.kill(int(os.environ["CLUSTER_NODE2"]), signal.SIGKILL)
    for process in begun if CLUSTER == "ray" else on_node2():
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep, trained on this machine."""
    directory = tmp_path_factory.mktemp("home") / "short"
    code, *_ = finish(start(f"sweep.dir={directory}"))
    assert code == 0
    return directory


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one to be disturbed."""
    directory = tmp_path_factory.mktemp("home") / "long"
    code, *_ = finish(start(f"sweep.dir={directory}", *LONG[:-1]))
    assert code == 0
    return directory


def test_the_same_tables(home: Path, tmp_path: Path) -> None:
    code, out, err = finish(start(f"sweep.dir={tmp_path / 'out'}", *THERE))
    assert code == 0, err
    assert {"ray": "2 nodes, 2 cores", "slurm": "partition default"}[CLUSTER] in out
    assert_equal(home, tmp_path / "out")
    until(is_idle, 30)
    assert not (tmp_path / "out" / "slurm" / "jobs.json").exists()


def test_a_small_sweep_stays(tmp_path: Path) -> None:
    there = [o for o in THERE if "stay_local" not in o]
    code, out, err = finish(start(f"sweep.dir={tmp_path / 'out'}", "seed=range(2)", *there))
    assert code == 0, err
    assert "this sweep takes less on one core, so it is trained here" in out


def test_runs_that_go_alone(tmp_path: Path) -> None:
    few = ("seed=1,2", "model.width=5", "optimizer=adam", "trainer.max_epochs=20")
    few += ("engine=lightning",)
    for name, where in (("home", ()), ("out", THERE)):
        code, _, err = finish(start(*few, f"sweep.dir={tmp_path / name}", *where))
        assert code == 0, err
    assert_equal(tmp_path / "home", tmp_path / "out")


def test_a_table_travels(tmp_path: Path) -> None:
    table = tmp_path / "my.csv"
    pl.DataFrame({"a": [i / 10 for i in range(40)], "b": [i % 7 for i in range(40)]}).with_columns(
        (pl.col("a") * 2 - pl.col("b")).alias("c")
    ).write_csv(table)
    for name, where in (("home", ()), ("out", THERE)):
        command = (sys.executable, "-m", "src.train", "-m", "data=table", f"data.path={table}",
                   "data.inputs=[a,b]", "data.target=c", "seed=1,2,3", *where,
                   f"sweep.dir={tmp_path / name}")  # fmt: skip
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
    assert_equal(tmp_path / "home", tmp_path / "out")
    configs = Store(tmp_path / "out").configs()
    assert {config["data"]["path"] for config, _ in configs.values()} == {str(table)}


def test_halving(tmp_path: Path) -> None:
    halving = ("sweep.halving={factor: 3, first: 30}", "seed=range(10)")
    for name, where in (("home", ()), ("out", THERE)):
        code, _, err = finish(start(*halving, f"sweep.dir={tmp_path / name}", *where))
        assert code == 0, err
    assert_equal(tmp_path / "home", tmp_path / "out")
    assert not (tmp_path / "out" / "rungs").exists()


def test_a_guilty_run(home: Path, tmp_path: Path) -> None:
    few = ("seed=range(10,14)", "model.width=5", "optimizer=adam")
    lethal = Path(os.environ["SMALL_NETS_LETHAL"])
    lethal.write_text("13")
    code, out, err = finish(start(*few, f"sweep.dir={tmp_path}", *THERE))
    lethal.unlink()
    assert code == 1, err
    table = Store(tmp_path).read()
    assert table.filter(pl.col("status") == "failed")["seed"].to_list() == [13]
    assert "its worker died 3 times, at last with this run alone" in out
    assert "tried again" in out
    good = table.filter(pl.col("status") == "completed")
    assert len(good) == 3
    same = Store(home).read().filter(pl.col("run_id").is_in(good["run_id"].to_list()))
    assert good["val/loss"].to_list() == same["val/loss"].to_list()


@pytest.mark.skipif(CLUSTER != "ray", reason="SLURM's nodes inherit what the driver sees")
def test_another_version(tmp_path: Path) -> None:
    Path(os.environ["SMALL_NETS_VERSIONS"]).write_text(json.dumps({"torch": "0.4"}))
    code, _, err = finish(start(f"sweep.dir={tmp_path / 'out'}", *THERE, SMALL_NETS_VERSIONS=""))
    Path(os.environ["SMALL_NETS_VERSIONS"]).unlink()
    assert code == 2
    assert "of the Ray cluster has other versions: " in err
    assert "torch 0.4 (here " in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(CLUSTER != "ray", reason="SLURM lets such a job wait for a larger node")
def test_more_than_there_is(tmp_path: Path) -> None:
    code, _, err = finish(start(f"sweep.dir={tmp_path / 'out'}", *THERE, "executor.cpus=64"))
    assert code == 2
    assert "executor.cpus=64 executor.gpus=0: no node of this Ray cluster has as many" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(CLUSTER != "slurm", reason="parts come back to the driver")
def test_a_full_disk(tmp_path: Path) -> None:
    """The jobs meet it, and the sweep says so: no run is to blame."""
    weights = tmp_path / "weights"  # where the driver writes nothing
    weights.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", weights], check=True)
    try:
        code, out, err = finish(start(f"sweep.dir={tmp_path}", *THERE))
    finally:
        subprocess.run(["umount", "--lazy", weights], check=True)
    assert code == 2
    assert "a task of SLURM failed: " in err
    assert "No space left on device" in err
    assert "tried again" not in out
    assert "failed" not in Store(tmp_path).read()["status"].to_list()


@pytest.mark.skipif(CLUSTER != "slurm", reason="Ray shares no folder")
def test_a_folder_that_is_not_shared(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    command = [sys.executable, "-m", "src.train", "-m", *SWEEP, *THERE, f"sweep.dir={mine / 'out'}"]
    alone = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {mine} && exec "$@"', "sh"]
    done = subprocess.run([*alone, *command], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert "is not shared with SLURM's nodes" in done.stderr
    code, _, err = finish(start(f"sweep.dir={tmp_path / 'out'}", *THERE, "executor.partition=x"))
    assert code == 2
    assert "partition" in err
    assert not (tmp_path / "out").exists()
    assert "Traceback" not in done.stderr + err


@contextmanager
def under_way(directory: Path, count: int = 1) -> Iterator["subprocess.Popen[str]"]:
    process = start(f"sweep.dir={directory}", *THERE, *LONG)
    until(lambda: parts(directory) >= count or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    assert not is_idle()
    yield process


def test_ctrl_c_and_a_killed_driver(long: Path, tmp_path: Path) -> None:
    with under_way(tmp_path) as process:
        process.send_signal(signal.SIGINT)
    code, out, _ = finish(process)
    assert code == 130
    assert "To go on from there, repeat the command" in out
    until(is_idle, 30)
    with under_way(tmp_path, parts(tmp_path) + 1) as process:
        process.kill()
    process.communicate()
    code, out, err = finish(start(f"sweep.dir={tmp_path}", *THERE, *LONG))
    assert code == 0, err
    assert "already there" in out
    assert_equal(long, tmp_path)
    until(is_idle, 30)


def test_a_lost_node(long: Path, tmp_path: Path) -> None:
    with under_way(tmp_path) as process:
        kill_node()
    code, out, err = finish(process)
    assert code == 0, err
    assert_equal(long, tmp_path)
    assert "tried again" in out
