"""The arrows of the house point one way: the imports are read and held to it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src"
FILES = {
    ".".join(path.relative_to(SRC.parent).with_suffix("").parts): path
    for path in sorted(SRC.rglob("*.py"))
}
# What may be imported of ours, by the longest prefix that fits a file.
ALLOWED: dict[str, tuple[str, ...]] = {
    "src.models": ("src.models",),
    "src.losses": (),
    "src.optim": ("src.optim",),
    "src.pictures": ("src.pictures",),
    "src.data": ("src.data",),
    "src.data.sources": ("src.data", "src.errors"),
    "src.data.file": ("src.errors",),
    "src.data.labels": ("src.data.task", "src.errors"),
    "src.data.columns": ("src.data", "src.errors"),
    "src.errors": (),
    "src.rule": (),
    "src.conf_files": (),
    "src.data_rules": ("src.rule", "src.data.method"),
    "src.sweep_rules": ("src.data_rules", "src.rule"),
    "src.values": ("src.data_rules", "src.errors", "src.rule", "src.sweep_rules"),
    "src.complete": ("src.data", "src.errors", "src.values"),
    "src.sweep.task": (
        *("src.sweep.expand", "src.sweep.packed", "src.sweep.plan", "src.sweep.prepare"),
    ),
    "src.check": ("src.complete", "src.conf_files", "src.errors", "src.values"),
    "src.explain": ("src.check", "src.conf_files", "src.errors", "src.values"),
    "src.module": ("src.losses",),
    "src.run": ("src.data.prepared", "src.losses"),
    "src.curvature": ("src.data.prepared", "src.losses"),
    "src.result": ("src.overrides", "src.trajectory"),
    "src.tensors": (),
    "src.trajectory": ("src.errors", "src.tensors"),
    "src.layers": (),
    "src.draw_rows": ("src.data.prepared",),
    "src.anatomy": ("src.data.prepared", "src.draw_rows", "src.layers", "src.pictures"),
    "src.landscape": (
        *("src.curvature", "src.data.prepared", "src.draw_rows", "src.losses", "src.trajectory"),
    ),
    "src.moments": ("src.draw", "src.pictures", "src.run", "src.tensorboard", "src.trajectory"),
    "src.lessons": (
        *("src.anatomy", "src.draw", "src.draw_classes", "src.evaluate", "src.landscape"),
        "src.moments",
        *("src.pictures", "src.run", "src.tensorboard", "src.training", "src.trajectory"),
    ),
    "src.teach": (
        *("src.build", "src.errors", "src.lessons", "src.predict", "src.run"),
        *("src.tensorboard", "src.trajectory", "src.weights"),
    ),
    "src.tensorboard": (),
    "src.engines": ("src.engines",),
    "src.engines.fused": ("src.engines", "src.models"),
    "src.training": (
        *(
            "src.data.module",
            "src.evaluate",
            "src.interrupt",
            "src.module",
            "src.result",
            "src.run",
        ),
        *("src.tensorboard", "src.watchers"),
    ),
    "src.sweep.family": ("src.result",),
    "src.sweep.rules": ("src.optim",),
    "src.sweep.plan": ("src.engines.paused", "src.result", "src.sweep.expand", "src.sweep.rules"),
    "src.overrides": (),
    "src.sweep.about": ("src.errors", "src.sweep.files"),
    "src.sweep.bootstrap": (),
    "src.sweep.ranking": ("src.sweep.bootstrap",),
    "src.sweep.rungs": ("src.errors", "src.values"),
    "src.sweep.files": (),
    "src.sweep.tables": ("src.engines.cohort", "src.errors", "src.values"),
    "src.terminal": (),
    "src.cadence": (),
    "src.directories": (),
    "src.answers": ("src.cadence", "src.losses", "src.run", "src.terminal"),
    "src.sweep.store": (
        "src.errors",
        *("src.sweep.about", "src.sweep.files", "src.sweep.packed", "src.sweep.tables"),
        *("src.sweep.tidy", "src.tensors"),
    ),
    "src.search.space": ("src.errors", "src.overrides"),
    "src.search.limits": ("src.errors", "src.search.space"),
    "src.search.objective": (),
    "src.search.samplers": ("src.search.space",),
    "src.search.present": (
        *("src.check", "src.conf_files", "src.errors", "src.search.space", "src.sweep.family"),
        "src.values",
    ),
    "src.search.trials": ("src.search.present", "src.search.samplers", "src.search.space"),
    "src.search.study": ("src.errors", "src.overrides", "src.search"),
    "src.search.loop": ("src.errors", "src.search"),
    "src.search.show": ("src.search", "src.terminal"),
    "src.targets": ("src.data", "src.errors", "src.losses", "src.models", "src.optim"),
    "src.build": (
        *("src.cadence", "src.checkpoint", "src.compatible", "src.complete", "src.data"),
        *("src.errors", "src.run", "src.targets"),
    ),
    "src.fit": (
        *("src.complete", "src.console", "src.curvature", "src.draw", "src.draw_classes"),
        *("src.evaluate", "src.events", "src.lessons", "src.moments", "src.outcome"),
        *("src.pictures", "src.result", "src.run", "src.tensorboard", "src.training"),
        "src.weights",
    ),
}
PURE = ("src.models", "src.losses", "src.optim", "src.pictures", "src.data.sources",
        "src.data.split", "src.data.normalise", "src.data.batches", "src.data.method",
        "src.data.file", "src.data.columns", "src.data.labels", "src.data.task",
        "src.data.shapes", "src.data.prepared")  # fmt: skip


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = {f"{node.module}.{name.name}" for name in node.names}
            found |= {n for n in names if n in FILES} or {str(node.module)}
    return found


def within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == p or name.startswith(f"{p}.") for p in prefixes)


@pytest.mark.parametrize("name", FILES)
def test_arrows(name: str) -> None:
    rules = [rule for rule in ALLOWED if within(name, (rule,))]
    ours = {i for i in imports(FILES[name]) if within(i, ("src",))}
    assert not within("src.train", tuple(ours)), "nothing imports the command"
    if rules:
        allowed = ALLOWED[max(rules, key=len)]
        assert {i for i in ours if not within(i, allowed)} == set()


@pytest.mark.parametrize("name", [n for n in FILES if within(n, PURE)])
def test_the_centre_knows_no_framework(name: str) -> None:
    roots = {i.partition(".")[0] for i in imports(FILES[name])}
    assert not roots & {"lightning", "hydra", "omegaconf", "rich"}


@pytest.mark.parametrize("name", [n for n in FILES if within(n, ("src.engines",))])
def test_engines_know_torch_alone(name: str) -> None:
    roots = {i.partition(".")[0] for i in imports(FILES[name])}
    assert not roots & {"lightning", "hydra", "omegaconf", "rich", "polars", "yaml"}


def test_the_doors_are_thin() -> None:
    path = SRC.parent / "hydra_plugins" / "batched.py"
    top = [node for node in ast.parse(path.read_text()).body
           if isinstance(node, ast.Import | ast.ImportFrom)]  # fmt: skip
    assert not any(ast.unparse(node).startswith(("from src", "import src")) for node in top)
    assert len(path.read_text().splitlines()) < 100
    assert not (path.parent / "__init__.py").exists()


@pytest.mark.parametrize("name", ["src.training", "src.fit", "src.module", "src.run", "src.result"])
def test_training_knows_no_hydra(name: str) -> None:
    assert not {i for i in imports(FILES[name]) if within(i, ("hydra", "omegaconf"))}


def test_files_stay_short() -> None:
    long = {n: len(p.read_text().splitlines()) for n, p in FILES.items()}
    assert {n: lines for n, lines in long.items() if lines > 250} == {}


def test_a_typo_is_answered_without_torch() -> None:
    code = (
        "import sys, src.check, src.explain, src.differences, src.resolvers\n"
        "assert not {'torch', 'lightning', 'matplotlib', 'numpy', 'polars'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=SRC.parent, check=True)


def test_a_sweep_of_kernels_needs_no_lightning() -> None:
    code = (
        "import sys, src.sweep.launch, src.sweep.fused, src.engine, src.search.launch\n"
        "assert not {'lightning', 'torch._dynamo', 'optuna'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=SRC.parent, check=True)
