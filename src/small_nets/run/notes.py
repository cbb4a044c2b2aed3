"""What a user should know of a run, before and after it trains: no error, and no silence."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from small_nets.config.schema import show
from small_nets.data.rounding import merged
from small_nets.run.convergence import still_falling
from small_nets.run.outputs.result import Result
from small_nets.run.spec import Run
from small_nets.system.shell_words import quote


def left_out(dropped: int, rows: int) -> str:
    """The sentence for rows of a table that are not used."""
    are, them = ("is", "it") if dropped == 1 else ("are", "them")
    return f"{dropped:,} of {rows:,} rows {are} left out: a value is missing in {them}"


def notes(run: Run) -> list[str]:
    """A sentence for rows left out, for inputs that say nothing, for classes without a row."""
    data, labels = run.data, run.labels
    if not labels.is_table:
        return of_rounding(run)
    x = data.train.input
    names = labels.of_inputs(x.shape[1])
    dropped = run.config["data"]["dropped"]
    found = [left_out(dropped, dropped + len(data.table.input))] if dropped else []
    found += of_rounding(run) + [
        f"the input {names[i]!r} has one value, {data.table.input[data.train.rows[0], i]:g}, in "
        "every training row: nothing can be learned from it"
        for i in (x == x[0]).all(dim=0).nonzero().flatten().tolist()
    ]
    found += [
        f"the texts {one!r} and {other!r} of the input {name!r} differ in upper and lower case "
        "alone: they are two categories"
        for name, texts in (run.config["data"]["categories"] or {}).items()
        for one, other in _in_two_cases(texts)
    ]
    target = data.train.target
    if labels.classes is None or target is None:
        return found
    found += [
        f"the labels {one!r} and {other!r} differ in upper and lower case alone: they are two "
        "classes"
        for one, other in _in_two_cases(labels.classes)
    ]
    counts = target.sum(dim=0).tolist()
    counts = [len(target) - counts[0], *counts] if len(counts) == 1 else counts
    return found + [
        f"the class {name!r} has no row in the training split: it cannot be learned"
        for name, count in zip(labels.classes, counts, strict=False)
        if count == 0
    ]


def _in_two_cases(texts: Iterable[str]) -> list[tuple[str, str]]:
    """The texts that are another but for upper and lower case, each beside that one."""
    first: dict[str, str] = {}
    pairs = [(first.setdefault(text.casefold(), text), text) for text in texts]
    return [(one, text) for one, text in pairs if one != text]


HARDLY = 0.9  # of the constant predictor's loss
LEARNED = 0.6  # of it: below, the net has learned the training rows
FEWEST_ROWS = 10  # of a validation split: the loss of fewer is chance


def end_notes(run: Run, result: Result, kept: int | None) -> list[str]:
    """What the end says of a net that learned little, and of one that was still learning.

    kept: the step whose weights early stopping kept, None where they are the last ones. Where it
    kept those of an earlier point, longer training is no help.
    """
    if run.max_epochs == 0 or result.status != "completed":
        return []
    poor = poor_fit(run, result)
    if poor is not None:
        return [poor]
    if result.stopped_early:
        return []
    if kept is not None and kept < 0.9 * result.steps:
        return []
    share = still_falling(result.curves, result.baseline)
    if share is None:
        return []
    return [
        f"the loss is still falling: train/loss by {share:.0%} over the last tenth of training. "
        f"To train for longer: trainer.max_epochs={2 * run.max_epochs}"
    ]


def poor_fit(run: Run, result: Result) -> str | None:
    """That a net is hardly better than the constant predictor, and what to try; None if it is."""
    rows = {name: len(split) for name, split in run.data.splits.items()}
    of = " (normalised)" if run.data.is_target_normalised else ""
    for split, least in (("train", 1), ("val", FEWEST_ROWS)):
        loss, base = (m.get(f"{split}/loss") for m in (result.metrics, result.baseline))
        if loss is None or base is None or rows.get(split, 0) < least:
            continue
        if not loss > HARDLY * base > 0:
            continue
        how = "hardly better than" if loss < 0.999 * base else "no better than"
        how = how if loss <= 1.001 * base else "worse than"
        where = "" if split == "train" else "on the validation rows "
        has_learned = split == "val" and result.metrics["train/loss"] < LEARNED * base
        losses = f"{split}/loss {loss:.4g}{of} against {base:.4g}"
        tries = _of_validation(run) if has_learned else _of_training(run, result.stopped_early)
        what = f"{where}the net is {how} the constant predictor: {losses}"
        return f"{what}. What may help: {', '.join(tries)}"
    return None


SEVERAL = "several seeds (-m 'seed=range(10)')"
REACHED = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "relu": (0.0, math.inf)}  # by activations


def _of_training(run: Run, stopped_early: bool) -> list[str]:
    tries, model, target = [SEVERAL], run.config["model"], run.data.train.target
    if "width" in model:
        what = "a hidden layer" if model["width"] is None else "a wider net"
        tries.append(f"{what} ({_width(model, lambda w: 2 * w)})")
    if not stopped_early:
        tries.append(f"more epochs (trainer.max_epochs={2 * run.max_epochs})")
    tries.append(f"another learning rate (now optimizer.lr={show(run.config['optimizer']['lr'])})")
    low, high = REACHED.get(str(model.get("output_activation")), (-math.inf, math.inf))
    if target is not None and bool(((target < low) | (target > high)).any()):
        tries.append("an output that reaches the targets (model.output_activation=identity)")
    return tries


def _of_validation(run: Run) -> list[str]:
    """It has learned the training rows, and too little of what holds for others."""
    tries, model = [SEVERAL], run.config["model"]
    if model.get("width") is not None:
        tries.append(f"a narrower net ({_width(model, lambda w: max(w // 2, 1))})")
    if run.early_stop is None:
        tries.append("fewer epochs (early_stop='{patience: 10}')")
    return [*tries, "more rows"]


def _width(model: Mapping[str, Any], change: Callable[[int], int]) -> str:
    """The widths, changed, as they are typed. model: its section of the config."""
    width = 4 if model["width"] is None else model["width"]
    changed = change(width) if isinstance(width, int) else [change(w) for w in width]
    typed = quote(f"model.width={show(changed)}")
    # The order of drawing names the present width, and need not name another one.
    return typed if model.get("draw_order") is None else f"{typed} model.draw_order=null"


def of_rounding(run: Run) -> list[str]:
    """A sentence for each column whose values the run's precision does not keep apart."""
    data = run.data
    if data.dtype == torch.float64:
        return []
    found = []
    names = run.labels.of_inputs(data.table.input.shape[1])
    of_input = merged(data.input_normaliser, data.table.input, data.dtype)
    several = [("input", "normalize_input", names[i], *counts) for i, *counts in of_input]
    if data.table.target is not None and data.target_normaliser is not None:
        of_target = merged(data.target_normaliser, data.table.target, data.dtype)
        names = run.labels.of_targets(data.table.target.shape[1])
        several += [("target", "normalize_target", names[i], *counts) for i, *counts in of_target]
    for what, key, name, before, after in several:
        method = run.config["data"][key]
        fix = "" if method == "standardize" else f"data.{key}=standardize or "
        found.append(
            f"the {what} {name!r} has {before:,} different values, of which {after:,} are left "
            f"when they are rounded to float32. Fix: {fix}precision=64"
        )
    return found
