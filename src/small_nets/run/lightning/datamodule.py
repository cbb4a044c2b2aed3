"""The DataModule: owns the train/validation split and the normalisation."""

from collections.abc import Callable

import lightning.pytorch as pl
import torch
from torch import Tensor

from small_nets.data.batches import Batches
from small_nets.data.prepared import Prepared, Split


class ExampleData(pl.LightningDataModule):
    """A table, split and normalised in `setup`, in batches.

    prepare: makes `prepared`, and is called once. For a checkpoint's own data,
    `ExampleData(partial(build_data, module.hparams["config"]))`.
    """

    def __init__(self, prepare: Callable[[], Prepared]) -> None:
        super().__init__()
        self._prepare = prepare
        self._prepared: Prepared | None = None

    def setup(self, stage: str | None = None) -> None:
        """Split and normalise, the first time. Raises what `prepare` does."""
        if self._prepared is None:
            # An example may seed torch for its rows: nobody else's numbers are to follow it.
            with torch.random.fork_rng(devices=[]):
                self._prepared = self._prepare()

    @property
    def prepared(self) -> Prepared:
        """The splits and their normalisers, after `setup`."""
        assert self._prepared is not None, "setup comes first"
        return self._prepared

    def _batches(self, split: Split, batch_size: int | None = None) -> Batches:
        if split.target is None:
            raise ValueError("this example has no targets, so there is nothing to train on")
        data = self.prepared
        shuffle = data.shuffle and split is data.train
        return Batches(split.input, split.target, batch_size, shuffle, data.order_seed)

    def train_dataloader(self) -> Batches:
        return self._batches(self.prepared.train, self.prepared.batch_size)

    def val_dataloader(self) -> Batches | list[Batches]:
        return [] if self.prepared.val is None else self._batches(self.prepared.val)

    def test_dataloader(self) -> Batches | list[Batches]:
        """The rows that were held out: there is no third split."""
        return self.val_dataloader()

    def predict_dataloader(self) -> Batches:
        """Every row of the table in its order, with its number, (rows, 1), for a target."""
        input = self.prepared.to_network(self.prepared.table.input)
        return Batches(input, torch.arange(len(input))[:, None], None, False, 0)

    def transfer_batch_to_device(
        self, batch: tuple[Tensor, Tensor], device: torch.device, dataloader_idx: int
    ) -> tuple[Tensor, Tensor]:
        # Lightning's own walks through any nesting of containers, which costs more than the
        # step of a small net; ours is a pair, and mostly where it should be.
        if batch[0].device == device:
            return batch
        return batch[0].to(device), batch[1].to(device)
