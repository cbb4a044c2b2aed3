"""The DataModule: owns the train/validation split and the normalisation."""

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from src.data.batches import Batches
from src.data.prepared import Prepared, Split


class ExampleData(Prepared, pl.LightningDataModule):
    """A table, split and normalised, in batches. Takes and raises what `Prepared` does.

    Split and normalised by its base, which sweeps use as it is: Lightning takes two seconds to
    import.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        pl.LightningDataModule.__init__(self)
        Prepared.__init__(self, *arguments, **settings)

    @classmethod
    def of(cls, data: Prepared) -> "ExampleData":
        """The same splits, not made again; an ExampleData itself."""
        if isinstance(data, cls):
            return data
        found = cls.__new__(cls)
        pl.LightningDataModule.__init__(found)
        vars(found).update(vars(data))
        return found

    def _batches(self, split: Split, batch_size: int | None, shuffle: bool) -> Batches:
        if split.target is None:
            raise ValueError("this example has no targets, so there is nothing to train on")
        return Batches(split.input, split.target, batch_size, shuffle, self.order_seed)

    def train_dataloader(self) -> Batches:
        return self._batches(self.train, self.batch_size, self.shuffle)

    def val_dataloader(self) -> Batches | list[Batches]:
        return [] if self.val is None else self._batches(self.val, None, False)

    def transfer_batch_to_device(
        self, batch: tuple[Tensor, Tensor], device: torch.device, dataloader_idx: int
    ) -> tuple[Tensor, Tensor]:
        # Lightning's own walks through any nesting of containers, which costs more than the
        # step of a small net; ours is a pair, and mostly where it should be.
        if batch[0].device == device:
            return batch
        return batch[0].to(device), batch[1].to(device)
