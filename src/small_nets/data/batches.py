"""Shuffles the training rows of each epoch, and cuts them into batches."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finalizer (Steele, Lea and Flood, 2014): mixes 64 bits thoroughly."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def epoch_orders(rows: int, seeds: Sequence[int], epoch: int) -> Tensor:
    """The permutation of an epoch for each seed, shape (seeds, rows).

    seeds, epoch: below 2³². The permutation depends on them alone, so that a continued run has the
    same order. It comes from sorting random keys: torch.randperm, called for each seed, would take
    longer than a training step of a thousand runs together.
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    combined = (np.asarray(seeds, dtype=np.uint64)[:, None] << np.uint64(32)) | np.uint64(epoch)
    numbers = np.arange(1, rows + 1, dtype=np.uint64)[None, :]
    keys = _mix(_mix(combined + golden) + golden * numbers)
    return torch.from_numpy(np.argsort(keys, axis=1, kind="stable"))


def epoch_order(rows: int, seed: int, epoch: int) -> Tensor:
    """The permutation of an epoch, shape (rows,)."""
    return epoch_orders(rows, [seed], epoch)[0]


class Batches:
    """Yields (input, target) batches. It has only what Lightning needs of a loader.

    torch's DataLoader collates row by row, which takes 24 ms an epoch for 3000 rows. Slices take
    microseconds.

    input: shape (rows, features). target: shape (rows, outputs). batch_size: rows of a batch, of
    which the last may have fewer; None for all rows at once. shuffle: whether each epoch has
    another order, drawn from the seed.
    """

    def __init__(
        self, input: Tensor, target: Tensor, batch_size: int | None, shuffle: bool, seed: int
    ) -> None:
        self.input = input
        self.target = target
        self.batch_size = batch_size or len(input)
        self.shuffle = shuffle and self.batch_size < len(input)
        self.seed = seed
        self.epoch = 0

    batch_sampler = None  # Lightning asks for this where there is a `sampler`

    @property
    def sampler(self) -> "Batches":
        """The object to which Lightning tells the epoch."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Take the order of this epoch, which counts from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.input) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if len(self) == 1:
            yield self.input, self.target
            return
        input, target = self.input, self.target
        if self.shuffle:
            order = epoch_order(len(input), self.seed, self.epoch)
            input, target = input[order], target[order]
        yield from zip(input.split(self.batch_size), target.split(self.batch_size), strict=True)
