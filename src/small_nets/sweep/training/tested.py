"""Evaluates trained members on their test splits: once, with the weights that are kept."""

import torch
from torch import Tensor
from torch.func import functional_call

from small_nets.engines.cohort import Cohort, Rows, Trained

NUMBERS = 2**22  # outputs of a layer that are held at a time


def test_metrics(cohort: Cohort, trained: Trained, test: Rows | None) -> dict[str, Tensor]:
    """Name -> (members,), of `test/loss` and the cohort's measures; empty without a test split.

    test: the members' rows, in the order of the cohort.
    """
    if test is None:
        return {}
    loss, measures = cohort.loss_of_rows, cohort.of_rows(cohort.measures)

    def of_one(parameters: dict[str, Tensor], input: Tensor, target: Tensor) -> dict[str, Tensor]:
        prediction = functional_call(cohort.net, parameters, (input,))
        found = {name: measure(prediction, target) for name, measure in measures.items()}
        return {"loss": loss(prediction, target)} | found

    widest = max(p.shape[1] if p.dim() > 1 else 1 for p in trained.parameters.values())
    size = max(1, NUMBERS // (test.count * widest))
    device = next(iter(trained.parameters.values())).device
    with torch.no_grad():
        found = torch.vmap(of_one, chunk_size=size)(
            trained.parameters, test.input.to(device), test.target.to(device)
        )
    return {f"test/{name}": values.cpu() for name, values in found.items()}
