"""The plugins by which Hydra calls `small_nets`. Hydra imports this file at every start."""

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn


class BatchedLauncher(BasicLauncher):
    """Trains jobs together, by the `launch` attribute of the task function.

    For a function without one it is Hydra's basic launcher. code: the largest exit code so far.
    """

    code = 0

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        together = getattr(self.task_function, "launch", None)
        if together is None:
            return super().launch(job_overrides, initial_job_idx)
        done = together(self.config, self.hydra_context, job_overrides, initial_job_idx)
        self.code = max(self.code, done.code)
        return done.jobs


class BatchedSweeper(BasicSweeper):
    """Hydra's basic sweeper, without composing every job beforehand."""

    def sweep(self, arguments: list[str]) -> Any:
        from small_nets.config.sweep_settings import check_master
        from small_nets.sweep.jobs.grid import batches, with_folds

        config, context, launcher = self.config, self.hydra_context, self.launcher
        assert config and context and launcher, "Hydra calls setup first"  # noqa: PT018
        most = check_master(config)
        words = with_folds(self._parse_config() + arguments, config)
        returns, first = [], 0
        for batch in batches(words, context.config_loader, self.max_batch_size, most):
            returns.append(launcher.launch(batch, initial_job_idx=first))
            first += len(batch)
        if code := getattr(launcher, "code", 0):
            raise SystemExit(code)  # only after the last batch: a failed run does not end a sweep
        return returns


class SearchSweeper(BasicSweeper):
    """Asks Optuna which settings to train."""

    def sweep(self, arguments: list[str]) -> None:
        from small_nets.search.launch import launch_search

        config, context = self.config, self.hydra_context
        assert config and context, "Hydra calls setup first"  # noqa: PT018
        if code := launch_search(config, context, self._parse_config() + arguments).code:
            raise SystemExit(code)


HERE = "hydra_plugins.batched"
for _group, _name, _node in (
    ("sweeper", "batched", BasicSweeperConf(f"{HERE}.BatchedSweeper", params={})),
    ("sweeper", "search", BasicSweeperConf(f"{HERE}.SearchSweeper", params={})),
    ("launcher", "batched", {"_target_": f"{HERE}.BatchedLauncher"}),
):
    store = ConfigStore.instance().store
    store(group=f"hydra/{_group}", name=_name, node=_node, provider="small-nets")
