"""The arrows of the house point one way: the imports are read and held to it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src" / "small_nets"
FILES = {
    ".".join(path.relative_to(SRC.parent).with_suffix("").parts): path
    for path in sorted(SRC.rglob("*.py"))
}
# A room, a folder of the package -> the rooms that it may import. No circle can be written.
ROOMS: dict[str, str] = {
    "system": "",
    "config": "system",
    "stats": "",
    "nn": "system config",
    "data": "system config",
    "engines": "system config nn",
    "run": "system config nn data engines",
    "sweep": "system config stats nn data engines run",
    "search": "system config stats nn data engines run sweep",
    "page": "system config stats nn data engines run sweep search",
    "commands": "system config nn data engines run sweep search page",
    "notebook": "system config nn data engines run sweep search page commands",
}
# The folders of a room that has an order of its own, each of which may import those before it.
FOLDERS = {
    "sweep": ["store", "jobs", "cohorts", "training", "executors", "results", "halving",
              "confirmation"],
}  # fmt: skip


def imports(path: Path, of_types: bool = True) -> set[str]:
    """of_types: whether those count that only a type checker reads."""
    found = set()
    tree = ast.parse(path.read_text())
    if not of_types:
        tree.body = [n for n in tree.body if "TYPE_CHECKING" not in ast.unparse(n).split("\n")[0]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = {f"{node.module}.{name.name}" for name in node.names}
            found |= {n for n in names if n in FILES} or {str(node.module)}
    return found


def within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == p or name.startswith(f"{p}.") for p in prefixes)


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


@pytest.mark.parametrize("name", [n for n in FILES if room(n) in ROOMS])
def test_arrows(name: str) -> None:
    rooms = {room(i) for i in imports(FILES[name]) if within(i, ("small_nets",))}
    assert rooms - {room(name), *ROOMS[room(name)].split()} == set()


@pytest.mark.parametrize(
    ("name", "folders"),
    [(n, FOLDERS[room(n)]) for n in FILES if room(n) in FOLDERS and n.count(".") > 2],
)
def test_arrows_between_folders(name: str, folders: list[str]) -> None:
    mine = folders.index(name.split(".")[2])
    others = {i.split(".")[2] for i in imports(FILES[name]) if room(i) == room(name)}
    assert others <= {*folders[: mine + 1]}


def test_no_circle_of_files() -> None:
    """In whichever room, imports inside functions included."""
    all_of = {name: imports(path, of_types=False) & FILES.keys() for name, path in FILES.items()}
    rest = {name: needs - {name} for name, needs in all_of.items()}
    while free := {name for name, needs in rest.items() if not needs}:
        rest = {name: needs - free for name, needs in rest.items() if name not in free}
    assert rest == {}


@pytest.mark.parametrize("name", [
    n for n in FILES if room(n) in ("nn", "data") or within(n, ("small_nets.run.figures",))
])  # fmt: skip
def test_the_centre_knows_no_framework(name: str) -> None:
    roots = {i.partition(".")[0] for i in imports(FILES[name])}
    assert not roots & {"lightning", "hydra", "omegaconf", "rich"}


@pytest.mark.parametrize("name", [n for n in FILES if within(n, ("small_nets.engines",))])
def test_engines_know_torch_alone(name: str) -> None:
    roots = {i.partition(".")[0] for i in imports(FILES[name])}
    assert not roots & {"lightning", "hydra", "omegaconf", "rich", "polars", "yaml"}


def test_the_doors_are_thin() -> None:
    path = SRC.parent.parent / "hydra_plugins" / "batched.py"
    top = [node for node in ast.parse(path.read_text()).body
           if isinstance(node, ast.Import | ast.ImportFrom)]  # fmt: skip
    assert not any(
        ast.unparse(node).startswith(
            ("from small_nets", "import small_nets", "from src", "import src")
        )
        for node in top
    )
    assert len(path.read_text().splitlines()) < 75
    assert not (path.parent / "__init__.py").exists()


@pytest.mark.parametrize(
    "name",
    [
        "small_nets.run.lightning.train",
        "small_nets.run.fit",
        "small_nets.run.lightning.module",
        "small_nets.run.spec",
        "small_nets.run.outputs.result",
    ],
)
def test_training_knows_no_hydra(name: str) -> None:
    assert not {i for i in imports(FILES[name]) if within(i, ("hydra", "omegaconf"))}


def test_every_file_has_a_room() -> None:
    assert {room(name) for name in FILES} == {*ROOMS, "__init__"}


def test_files_stay_short() -> None:
    long = {n: len(p.read_text().splitlines()) for n, p in FILES.items()}
    assert {n: lines for n, lines in long.items() if lines > 250} == {}
    tests = {p: len(p.read_text().splitlines()) for p in Path(__file__).parent.rglob("*.py")}
    assert {p.name: lines for p, lines in tests.items() if lines > 300} == {}


@pytest.mark.parametrize(("imported", "absent"), [
    # A typo is answered without torch.
    (("config.check", "config.hydra_errors", "run.build.differences", "config.resolvers"),
     {"torch", "lightning", "matplotlib", "numpy", "polars"}),
    # A look at a run needs no Hydra.
    (("commands.predict", "commands.report", "config.stored_config", "run.build.build"),
     {"hydra"}),
    # A sweep of kernels needs no Lightning.
    (("sweep.launch", "engines.fused.engine", "sweep.cohorts.single_run", "search.launch"),
     {"lightning", "torch._dynamo", "optuna"}),
], ids=["typo", "look", "kernels"])  # fmt: skip
def test_what_is_not_imported(imported: tuple[str, ...], absent: set[str]) -> None:
    names = ", ".join(f"small_nets.{name}" for name in imported)
    code = f"import sys, {names}\nassert not {absent} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=SRC.parent, check=True)
