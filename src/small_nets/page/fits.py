"""What some runs of a sweep have learned, as arrays that a page can draw."""

from collections.abc import Mapping
from typing import Any

from small_nets.config.errors import InputError
from small_nets.page.numbers import array, number
from small_nets.run.pictures.classes import confusion
from small_nets.run.pictures.fit import fitted_curve, is_one_curve, split_points
from small_nets.run.pictures.maps import decision_map, is_one_map
from small_nets.run.spec import Run
from small_nets.sweep.store.store import Store
from small_nets.sweep.store.stored_run import trained_runs

MOST_POINTS = 400  # of the data, for each run
MAP_STEP = 2  # every second line of a map


def fits(store: Store, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The fits of these runs by name: a "curve", "map", "confusion" or "scatter", with its axes.

    rows: name -> row of the runs table. "runs" is None where there is nothing to show, and "why"
    says why not: a table that is gone must not take the rest of the page with it.
    """
    if not rows:
        return {"runs": None, "why": "No run has a finite end."}
    try:
        return _fits(store, rows)
    except InputError as error:
        return {"runs": None, "why": f"They cannot be drawn: {error}"}


def _fits(store: Store, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    runs = dict(trained_runs(store, {row["run_id"] for row in rows.values()}))
    found = []
    for name, row in rows.items():
        if row["run_id"] not in runs:  # its weights cannot be believed
            continue
        run = runs[row["run_id"]]
        if run.data.table.target is None:
            return {"runs": None, "why": "This example has no targets to be fitted."}
        found.append({"name": name, "job": row["job"], "setting": row["setting"]} | _fit(run))
    return {"runs": found}


def _fit(run: Run) -> dict[str, Any]:
    labels, table = run.labels, run.data.table
    assert table.target is not None, "asked before"
    points = {}
    for split in run.data.splits:
        shown = split_points(run, run.data.splits[split])
        every = -(-len(shown.input) // MOST_POINTS)
        points[split] = {
            "input": [array(column) for column in shown.input[::every].T[:2]],
            "target": array(shown.target[::every, 0]),
            "prediction": array(shown.prediction[::every, 0]),
        }
    outputs = table.target.shape[1]
    several = labels.targets is not None and len(labels.targets) == outputs
    kind = {
        # Targets have units of their own: the page shows the first of several.
        "target": f"{labels.of_targets(outputs)[0]}, the first of {outputs} targets"
        if several
        else labels.target,
        "inputs": labels.of_inputs(table.input.shape[1]),
        "binary": table.task == "binary",
        "points": points,
    }
    if is_one_curve(run):
        curve = fitted_curve(run)
        return kind | {"kind": "curve", "x": array(curve.x), "y": array(curve.y)}
    if is_one_map(run):
        x, y, values = decision_map(run)
        rows = [[number(v) for v in row] for row in values[::MAP_STEP, ::MAP_STEP].tolist()]
        return kind | {"kind": "map", "x": array(x[::MAP_STEP]), "y": array(y[::MAP_STEP]),
                       "z": rows}  # fmt: skip
    if table.task != "regression":
        found = confusion(run)
        return kind | {"kind": "confusion", "counts": found.counts.tolist(),
                       "classes": found.classes, "which": found.which}  # fmt: skip
    return kind | {"kind": "scatter"}
