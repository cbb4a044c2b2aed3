"""The doors between Hydra and `src.sweep`. Hydra imports this file at every start: it is thin."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class BatchedLauncher(BasicLauncher):
    """Trains jobs together, for a task function that knows how: its `launch` attribute.

    For any other it is Hydra's basic launcher. code: the largest exit code of its launches.
    """

    code = 0

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        together = getattr(self.task_function, "launch", None)
        if together is None:
            return super().launch(job_overrides, initial_job_idx)
        assert self.hydra_context is not None, "Hydra calls setup first"
        done = together(self.config, self.hydra_context, job_overrides, initial_job_idx)
        self.code = max(self.code, done.code)
        return done.jobs


class BatchedSweeper(Sweeper):
    """Hydra's basic grid, without composing every job beforehand.

    max_batch_size: jobs a launch. params: overrides of a named sweep.
    """

    def __init__(self, max_batch_size: int | None, params: dict[str, str] | None) -> None:
        self.max_batch_size = max_batch_size
        self.params = [f"{key}={value}" for key, value in (params or {}).items()]

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        from hydra.core.plugins import Plugins

        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        from src.sweep.grid import batches

        assert self.hydra_context is not None
        assert self.config is not None
        assert self.launcher is not None
        loader, most = self.hydra_context.config_loader, self.config.sweep.max_runs
        returns, first = [], 0
        for batch in batches(self.params + arguments, loader, self.max_batch_size, most):
            returns.append(self.launcher.launch(batch, initial_job_idx=first))
            first += len(batch)
        code = getattr(self.launcher, "code", 0)
        if code:
            raise SystemExit(code)  # after the last batch: a run that fails does not end a sweep
        return returns


class SearchSweeper(BatchedSweeper):
    """Asks Optuna for settings instead of training all of them."""

    def sweep(self, arguments: list[str]) -> None:
        from src.search.launch import launch_search

        assert self.hydra_context is not None
        assert self.config is not None
        code = launch_search(self.config, self.hydra_context, self.params + arguments)
        if code:
            raise SystemExit(code)


@dataclass
class BatchedSweeperConf:
    _target_: str = "hydra_plugins.batched.BatchedSweeper"
    max_batch_size: int | None = None
    params: dict[str, str] = field(default_factory=dict)


for _group, _name, _node in (
    ("sweeper", "batched", BatchedSweeperConf()),
    ("sweeper", "search", BatchedSweeperConf("hydra_plugins.batched.SearchSweeper")),
    ("launcher", "batched", {"_target_": "hydra_plugins.batched.BatchedLauncher"}),
):
    store = ConfigStore.instance().store
    store(group=f"hydra/{_group}", name=_name, node=_node, provider="small-nets")
