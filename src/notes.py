"""What a user should know of his own table before a run on it trains: no error, and no silence."""

from src.run import Run


def notes(run: Run) -> list[str]:
    """A sentence for each input that says nothing, and each class that cannot be learned."""
    data, labels = run.data, run.labels
    if not labels.is_table:
        return []
    x = data.train.input
    names = labels.of_inputs(x.shape[1])
    found = [
        f"the input {names[i]!r} has one value, {data.table.input[data.train.rows[0], i]:g}, in "
        "every training row: nothing can be learned from it"
        for i in (x == x[0]).all(dim=0).nonzero().flatten().tolist()
    ]
    target = data.train.target
    if labels.classes is None or target is None:
        return found
    counts = target.sum(dim=0).tolist()
    counts = [len(target) - counts[0], *counts] if len(counts) == 1 else counts
    return found + [
        f"the class {name!r} has no row in the training split: it cannot be learned"
        for name, count in zip(labels.classes, counts, strict=False)
        if count == 0
    ]
