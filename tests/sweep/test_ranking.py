"""Settings are ranked over their seeds."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from small_nets.sweep.results.bootstrap import bootstrap_means
from small_nets.sweep.results.ranking import compare, rank


class TestRanking:
    table = pl.DataFrame(
        {
            "run_id": list("abcdefg"),
            "job": range(7),
            "status": ["completed"] * 5 + ["diverged", "failed"],
            "seed": [0, 1, 0, 1, 2, 2, 3],
            "optimizer": ["sgd", "sgd", "adam", "adam", "adam", "sgd", "sgd"],
            "val/loss": [1.0, 3.0, 0.5, 2.5, 0.0, math.inf, None],
        }
    )

    def test_mean_over_completed_seeds(self) -> None:
        adam, sgd = rank(self.table, ["optimizer", "seed"], "val/loss")
        assert (adam.setting, adam.n, adam.mean) == ({"optimizer": "adam"}, 3, 1.0)
        assert (sgd.n, sgd.mean, sgd.diverged, sgd.failed) == (2, 2.0, 1, 1)
        assert sgd.sd == pytest.approx(math.sqrt(2))

    def test_paired_by_seed(self) -> None:
        adam, sgd = rank(self.table, ["optimizer", "seed"], "val/loss")
        assert compare(adam, [sgd]) == [(2, 0.5, 0.5)]  # 0.5 higher for each of the shared seeds

    def test_bootstrap_covers_the_mean(self) -> None:
        generator = np.random.default_rng(1)
        low, high = bootstrap_means(generator.normal(3.0, 1.0, (40, 100)), draws=500)
        assert 86 <= ((low <= 3.0) & (high >= 3.0)).sum() <= 100

    @given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
    def test_bootstrap_is_of_the_mean(self, values: list[float]) -> None:
        """Beside draws made one by one, with the same places; and between the extremes."""
        sample = np.array(values)
        (low,), (high,) = bootstrap_means(sample[:, None], draws=50)
        places = np.random.default_rng(0).integers(0, len(sample), (50, len(sample)))
        ends = np.percentile(sample[places].mean(axis=1), [2.5, 97.5])
        assert [low, high] == pytest.approx(ends, abs=1e-9 * max(1, np.abs(sample).max()))
        assert sample.min() - 1e-6 <= low <= high <= sample.max() + 1e-6

    def test_more_accuracy_is_better(self) -> None:
        table = self.table.rename({"val/loss": "val/accuracy"})
        sgd, adam = rank(table, ["optimizer", "seed"], "val/accuracy")
        assert (sgd.setting, sgd.best_job, adam.best_job) == ({"optimizer": "sgd"}, 1, 3)
