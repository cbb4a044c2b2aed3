"""What a user should know of a run, before and after it trains: no error, and no silence."""

from collections.abc import Iterable

import torch

from small_nets.data.rounding import merged
from small_nets.run.convergence import still_falling
from small_nets.run.outputs.result import Result
from small_nets.run.spec import Run


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


def end_notes(run: Run, result: Result, kept: int | None) -> list[str]:
    """Where longer training would have helped, a sentence that says so.

    kept: the step whose weights early stopping kept, None where they are the last ones. Where it
    kept those of an earlier point, longer training is no help.
    """
    if result.status != "completed" or result.stopped_early or run.max_epochs == 0:
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
