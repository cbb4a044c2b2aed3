"""What identifies a run: a digest of all that can change a number of its result."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from small_nets.config.draw_order import model_numbers
from small_nets.config.logging_interval import log_every
from small_nets.config.overrides import SWEEP_ONLY
from small_nets.config.sizes import training_rows

# Keys that cannot change a number of the result.
NO_NUMBER = (
    *("name", "description", "ckpt", "logger", "engine", *SWEEP_ONLY),
    *("print_every", "print", "pictures", "success", "rank_by"),
    *("data.input_name", "data.target_name", "data.unit", "data.classes", "data.range"),
    "data.path",  # the content of a table counts, by data.digest
    "data.drop",  # data.inputs has the names that are left
    *("data.label_type", "data.categories", "data.dropped"),  # these follow from the content
    # A run that refuses missing values does not exist. Unseen ones only concern predictions.
    *("data.missing", "data.unseen"),
)
# Key of `numbers_of` -> the config's keys on which it depends besides the same key.
READS = {
    "log_every": ("trainer.max_epochs",),
    "scheduler": (
        *("trainer.max_epochs", "data.batch_size", "data.source"),
        *("data.val_fraction", "data.test_fraction", "data.folds", "data.fold"),
    ),
}
# One encoder for all calls: json.dumps would make one at each call.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def numbers_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that can change a number of the result.

    A null is replaced by what it stands for, so that both are the same run: the logged points, the
    steps of a schedule, a batch of all rows. The rows of a table are not known here, so for a
    table only the logged points are replaced. Nets that are drawn after the run's own are left out.
    """
    kept = {key: value for key, value in config.items() if key not in NO_NUMBER}
    kept["data"] = {k: v for k, v in config["data"].items() if f"data.{k}" not in NO_NUMBER}
    kept |= {"log_every": log_every(config), "model": model_numbers(config["model"])}
    rows, size = training_rows(config["data"]), config["data"]["batch_size"]
    if size is not None and size == rows:
        size = kept["data"]["batch_size"] = None
    batches = 1 if size is None else None if rows is None else -(-rows // size)
    if config["scheduler"].get("steps", 0) is None and batches is not None:
        steps = max(config["trainer"]["max_epochs"] * batches, 1)
        kept["scheduler"] = config["scheduler"] | {"steps": steps}
    return kept


def pair_text(key: str, value: Any) -> str:
    """One entry of a mapping as JSON. Equal plain containers give equal texts."""
    return f"{_encode(key)}:{_encode(value)}"


def digest(content: Any, known: Mapping[str, str] | None = None) -> str:
    """A digest of plain containers, 16 hexadecimal digits.

    known: key -> `pair_text`, of entries of a mapping that were written out before.
    """
    if known:
        texts = [known.get(key) or pair_text(key, content[key]) for key in sorted(content)]
        text = f"{{{','.join(texts)}}}"
    else:
        text = _encode(content)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_id(config: Mapping[str, Any]) -> str:
    """A digest of everything in a resolved config that can change a number of the result."""
    return digest(numbers_of(config))
