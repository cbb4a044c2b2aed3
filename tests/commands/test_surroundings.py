"""A call in a notebook neither follows nor disturbs what surrounds it."""

import io
import json
import logging
import os
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from small_nets.commands.python_api import call
from small_nets.config.conf_files import CONF
from small_nets.notebook import run, sweep
from small_nets.run.terminal.tables import PlainConsole

Alone = tuple[tuple[dict[str, Any], bytes], Any, list[list[float]]]
LINE = ("+experiment=proportional", "trainer.max_epochs=20")


@pytest.fixture(autouse=True)
def small_pictures() -> None:
    """Pictures in their own size, in place of the smaller ones of other tests."""


@contextmanager
def setting(set_it: Callable[[Any], object], value: object, before: object) -> Iterator[None]:
    set_it(value)
    try:
        yield
    finally:
        set_it(before)


SURROUNDINGS: dict[str, Callable[[], Any]] = {
    "float64": lambda: setting(torch.set_default_dtype, torch.float64, torch.float32),
    "device": lambda: setting(torch.set_default_device, "meta", None),
    "device block": lambda: torch.device("meta"),
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "deterministic": lambda: setting(torch.use_deterministic_algorithms, True, False),
    "anomalies": lambda: setting(torch.autograd.set_detect_anomaly, True, False),
    "products": lambda: setting(torch.set_float32_matmul_precision, "medium", "highest"),
    "subnormal": lambda: setting(torch.set_flush_denormal, True, False),
    "threads": lambda: setting(torch.set_num_threads, 2, 1),
    "NumPy": lambda: np.errstate(all="raise"),
    "style": lambda: mpl.rc_context({"figure.dpi": 30, "font.size": 30, "axes.facecolor": "red"}),
    "warnings": lambda: setting(lambda a: warnings.simplefilter(a), "error", "error"),
    "Hydra": lambda: initialize_config_dir(str(CONF), version_base="1.3"),
}


def state() -> list[Any]:
    return [
        torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu"),
        torch.are_deterministic_algorithms_enabled(), torch.is_anomaly_enabled(),
        torch.get_float32_matmul_precision(), torch.get_num_threads(), np.geterr(),
        dict(mpl.rcParams), mpl.get_backend(), list(warnings.filters), str(Path.cwd()),
        GlobalHydra.instance().is_initialized(), random.getstate(),
        np.random.get_state()[1].tolist(),  # type: ignore[index]
        torch.default_generator.get_state().tolist(), dict(os.environ),
        logging.getLogger("lightning.pytorch").level,
    ]  # fmt: skip


def trained(directory: Path) -> tuple[dict[str, Any], bytes]:
    found = json.loads((directory / "result.json").read_text())
    png = (directory / "loss.png").read_bytes()
    return {key: found[key] for key in ("metrics", "predictions", "parameters", "curves")}, png


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """What a run and a sweep give where nothing is set."""
    where = tmp_path_factory.mktemp("alone")
    one = run(*LINE, f"hydra.run.dir={where / 'run'}", "logger=none")
    return trained(one.directory), swept(where), one.predict([[2.0]])


def swept(where: Path) -> Any:
    call([*LINE, "seed=1,2", f"sweep.dir={where / 'sweep'}", "sweep.directories=0"],
         PlainConsole(file=io.StringIO()))  # fmt: skip
    from small_nets.sweep.store.store import Store

    return Store(where / "sweep").read().drop("seconds").rows()


TOGETHER = (
    ("float64", "no gradients", "autocast", "deterministic", "anomalies", "products", "subnormal",
     "threads", "NumPy", "style", "warnings", "Hydra"),
    ("device", "inference"),
    ("device block",),
    *(pytest.param((name,), marks=pytest.mark.slow) for name in SURROUNDINGS),
)  # fmt: skip


@pytest.mark.parametrize("names", TOGETHER)
def test_neither_followed_nor_disturbed(
    names: tuple[str, ...], alone: Alone, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        for name in names:
            stack.enter_context(SURROUNDINGS[name]())
        before = state()
        done = run(*LINE, f"hydra.run.dir={tmp_path / 'run'}", "logger=none")
        assert state() == before
        assert trained(done.directory) == alone[0]
        assert done.predict([[2.0]]) == alone[2]
        assert swept(tmp_path) == alone[1]
        assert state() == before


def test_a_resolver_of_the_notebook_stays(tmp_path: Path) -> None:
    OmegaConf.register_new_resolver("stamp", lambda: "mine", replace=True)
    run(*LINE, f"hydra.run.dir={tmp_path / 'run'}", "logger=none")
    sweep(*LINE, "seed=1,2", f"sweep.dir={tmp_path / 'sweep'}", "sweep.directories=0")
    assert OmegaConf.create({"a": "${stamp:}"}).a == "mine"


def test_the_folder_and_a_failure_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.set_default_dtype(torch.float64)
    try:
        with pytest.raises(Exception, match="does not exist"):
            run(*LINE, "optimizer.nothing=1")
        with pytest.raises(Exception, match="does not exist"):
            sweep(*LINE, "optimizer.nothing=1,2")
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert Path.cwd() == tmp_path
    assert list(tmp_path.iterdir()) == []
