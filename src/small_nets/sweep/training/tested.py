"""Evaluates trained members on their test splits: once, with the weights that are kept."""

import torch
from torch import Tensor
from torch.func import functional_call

from small_nets.engines.cohort import Cohort, Rows, Trained


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

    # One by one: of a batch of them the last bits of a member may depend on how many there are.
    device = next(iter(trained.parameters.values())).device
    with torch.no_grad():
        found = [
            of_one({name: p[i] for name, p in trained.parameters.items()},
                   test.input[i].to(device), test.target[i].to(device))
            for i in range(cohort.size)
        ]  # fmt: skip
    return {f"test/{n}": torch.stack([one[n] for one in found]).cpu() for n in found[0]}
