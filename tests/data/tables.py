"""Tables that are written for a test, and the keys that name them."""

from collections.abc import Callable
from pathlib import Path

from tests.conftest import Finished

Finish = Callable[..., Finished]


CLASSES = "loss=cross_entropy"


BINARY = ("loss=bce", "model.output_activation=sigmoid")


DECIDED = ("digest", "classes", "label_type", "categories", "dropped",
           "normalize_target", "input_name", "target_name")  # fmt: skip


GOOD = "a,b,c\n1,2,3\n4,5,7\n7,1,8\n2,2,1\n3,9,4\n"


def own(path: Path | str, inputs: str = "a,b", target: str = "c") -> tuple[str, ...]:
    """The overrides of a run on a table."""
    return ("data=table", f"data.path={path}", f"data.inputs=[{inputs}]", f"data.target={target}")
