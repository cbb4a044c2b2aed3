"""What a network is to learn, by the loss it is trained on. Without torch."""

from typing import Literal

Task = Literal["regression", "binary", "classes"]


def task_of(loss: str) -> Task:
    """The task of a loss's name or `_target_`: bce… tells two classes apart, cross_entropy… any."""
    name = loss.rpartition(".")[2]
    if name.startswith("bce"):
        return "binary"
    return "classes" if name.startswith("cross_entropy") else "regression"
