"""Isolates a call in a notebook from the notebook's global state, and restores that state."""

import os
import random
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf.basecontainer import BaseContainer

NUMPY_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


@contextmanager
def undisturbed() -> Iterator[None]:
    """Within the block, global state is as in a new process; afterwards it is as before.

    The state is:

    - of torch: default dtype and device, threads, and the modes for gradients, inference,
      autocast, anomalies, deterministic algorithms, precision of products, subnormal numbers
    - the random generators of torch, NumPy and Python
    - NumPy's handling of errors, matplotlib's settings, the current folder
    - Hydra's config and OmegaConf's resolvers
    """
    with ExitStack() as stack:
        _enter_torch(stack)
        stack.callback(np.random.set_state, np.random.get_state())
        stack.callback(random.setstate, random.getstate())
        stack.enter_context(np.errstate(**NUMPY_ERRORS))  # type: ignore[arg-type]
        stack.enter_context(mpl.rc_context())
        mpl.rcdefaults()
        stack.callback(os.chdir, Path.cwd())
        _keep_hydra(stack)
        yield


@contextmanager
def default_warnings() -> Iterator[None]:
    """Within the block, warnings are filtered as by default: a notebook may make them errors."""
    with warnings.catch_warnings():
        warnings.resetwarnings()
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)
        yield


def _enter_torch(stack: ExitStack) -> None:
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    stack.enter_context(torch.random.fork_rng(devices=devices))
    stack.callback(torch.set_num_threads, torch.get_num_threads())
    stack.callback(torch.set_default_dtype, torch.get_default_dtype())
    torch.set_default_dtype(torch.float32)
    if torch.get_default_device().type != "cpu":  # only then, because it slows each call of torch
        stack.enter_context(torch.device("cpu"))
    stack.enter_context(torch.inference_mode(False))
    stack.enter_context(torch.enable_grad())
    for device in ("cpu", "cuda"):
        if torch.is_autocast_enabled(device):
            stack.enter_context(torch.autocast(device, enabled=False))
    stack.callback(
        torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled(),
        warn_only=torch.is_deterministic_algorithms_warn_only_enabled(),
    )  # fmt: skip
    torch.use_deterministic_algorithms(False)
    stack.callback(torch.autograd.set_detect_anomaly, torch.is_anomaly_enabled(),
                   torch.is_anomaly_check_nan_enabled())  # fmt: skip
    torch.autograd.set_detect_anomaly(False)
    stack.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
    torch.set_float32_matmul_precision("highest")
    if _flushes():
        stack.callback(torch.set_flush_denormal, True)
        torch.set_flush_denormal(False)


def _flushes() -> bool:
    """Whether torch flushes subnormal numbers to 0, which it has no function to ask."""
    return (torch.tensor(1e-40, dtype=torch.float32, device="cpu") * 1.0).item() == 0.0


def _keep_hydra(stack: ExitStack) -> None:
    config, resolvers = HydraConfig.instance().cfg, dict(BaseContainer._resolvers)
    hydra = GlobalHydra.instance().hydra  # only one may exist at a time
    GlobalHydra.instance().clear()

    def put_back() -> None:
        GlobalHydra.instance().hydra = hydra
        HydraConfig.instance().cfg = config
        BaseContainer._resolvers.clear()
        BaseContainer._resolvers.update(resolvers)

    stack.callback(put_back)
