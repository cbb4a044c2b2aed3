"""The rows of data=formula: values as numpy has them, spacing, noise and seeds; and in a sweep."""

import ast
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from small_nets.config.components import is_drawn
from small_nets.config.errors import InputError
from small_nets.config.formula import DEEPEST, parse
from small_nets.config.formula_words import COMPARISONS, CONSTANTS, FUNCTIONS, OPERATORS, SIGNS
from small_nets.data import formula as values
from small_nets.data.formula import formula, values_of
from small_nets.run.build.build import build_data
from small_nets.run.build.compose import compose_settings
from tests.conftest import Finished, Swept


def _held(holds: Any, a: Any, b: Any) -> Any:
    return np.where(np.isnan(a) | np.isnan(b), np.nan, holds)


Term = tuple[str, Callable[..., Any]]  # a text, and what it is of the columns by name
NUMPY: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in
       ("sign", "floor", "sqrt", "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "abs": np.fabs, "step": lambda x: np.floor((np.sign(x) + 1) / 2),
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "relu": lambda x: np.fmax(x, x * 0),
    "sigmoid": lambda x: np.reciprocal(1 + np.exp(-x)),
    "min": lambda *parts: np.min(np.stack(parts), axis=0),
    "max": lambda *parts: np.max(np.stack(parts), axis=0),
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.float_power,
    "<": lambda a, b: _held(b - a > 0, a, b), "<=": lambda a, b: _held(~(a > b), a, b),
    ">": lambda a, b: _held(a - b > 0, a, b), ">=": lambda a, b: _held(~(a < b), a, b),
}  # fmt: skip


def called(name: str, parts: list[Term]) -> Term:
    """A function of several terms, or a sign between two."""
    texts = [text for text, _ in parts]
    written = f"(({f') {name} ('.join(texts)}))" if len(name) < 3 else f"{name}({', '.join(texts)})"
    return written, lambda x: NUMPY[name](*(of(x) for _, of in parts))


def terms(names: tuple[str, ...]) -> st.SearchStrategy[Term]:
    def constant(text: str, value: float) -> Term:
        return text, lambda x: np.full_like(x[names[0]], value)

    leaves = st.one_of(
        st.sampled_from(names).map(lambda name: (name, lambda x: x[name])),
        st.floats(0, 100).map(lambda v: constant(repr(v), v)),
        st.integers(0, 9).map(lambda v: constant(str(v), v)),
        st.sampled_from([constant("pi", np.pi), constant("e", np.e)]),
    )
    fewest = {name: FUNCTIONS[name][0] if name in FUNCTIONS else 2 for name in NUMPY}

    def larger(part: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
        return st.sampled_from([*fewest]).flatmap(
            lambda name: st.lists(part, min_size=fewest[name], max_size=fewest[name]).map(
                lambda parts: called(name, parts)
            )
        )

    return st.recursive(leaves, larger, max_leaves=6)


@pytest.mark.parametrize("names", [("x",), ("x1", "x2", "x3")], ids=["one", "several"])
@given(data=st.data())
def test_random_formulas_are_what_numpy_makes_of_them(
    names: tuple[str, ...], data: st.DataObject
) -> None:
    text, of = data.draw(terms(names))
    x = np.random.default_rng(0).uniform(-2, 2, (5, len(names)))
    with np.errstate(all="ignore"):
        wanted = x[:, -1] + of(dict(zip(names, x.T, strict=True)))
    found = values_of(parse(f"{names[-1]} + {text}"), x)
    # Between an overflow and a number that is not one, a formula and its twin may differ.
    both = np.isfinite(found) & np.isfinite(wanted)
    assert both.all() or not np.isfinite(wanted).all()
    np.testing.assert_allclose(found[both], wanted[both], rtol=1e-9, atol=1e-12)


def test_a_sigmoid_keeps_its_digits() -> None:
    x = np.array([[-700.0], [-37.0], [0.0], [37.0], [700.0]])
    found = values_of(parse("sigmoid(x)"), x)
    np.testing.assert_allclose(found, np.exp(-np.logaddexp(0, -x[:, 0])), rtol=1e-13)


def test_each_name_and_sign_has_one_meaning_in_both_rooms() -> None:
    assert values.FUNCTIONS.keys() == FUNCTIONS.keys()
    assert set(values.CONSTANTS) == set(CONSTANTS)
    assert values.OPERATORS.keys() == {*OPERATORS, *SIGNS, *COMPARISONS}


@given(st.text(st.sampled_from("x12. +-*/()<>=,abs_int__import__os"), max_size=30))
def test_nothing_outside_the_list_is_ever_evaluated(text: str) -> None:
    """A tree that is read holds only what is listed, however its text was made."""
    try:
        tree = parse(text).tree
    except ValueError:
        return
    listed = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.Constant, ast.Name, ast.Load, ast.Call)
    for node in ast.walk(tree):
        assert isinstance(node, (*listed, *OPERATORS, *SIGNS, *COMPARISONS))
        assert not isinstance(node, ast.Constant) or type(node.value) in (int, float)
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Name)
            assert node.func.id in FUNCTIONS
    values_of(parse(text), np.ones((2, parse(text).inputs)))


def test_what_is_not_listed_is_not_evaluated_either() -> None:
    for text in ("__import__('os')", "x.real", "x if x else x", "x % 2", "[x]", "(lambda: x)()"):
        tree = ast.parse(text, mode="eval").body
        with pytest.raises((TypeError, KeyError)):
            values_of(values.Formula(text, tree, 1), np.ones((2, 1)))


def test_a_formula_as_deep_as_it_may_be() -> None:
    text = "abs(" * (DEEPEST - 1) + "x" + ")" * (DEEPEST - 1)
    assert values_of(parse(text), np.array([[-2.0]])).tolist() == [2]


def test_signs_at_their_edges() -> None:
    x = np.array([[-1.0], [0.0], [2.0]])
    for text, wanted in {
        "step(x)": [0, 0, 1], "sign(x)": [-1, 0, 1], "relu(x)": [0, 0, 2], "x <= 0": [1, 1, 0],
        "-1 < x < 2": [0, 1, 0], "-x**2": [-1, 0, -4], "2**-x": [2, 1, 0.25], "x*0 + 3": [3, 3, 3],
    }.items():  # fmt: skip
        assert values_of(parse(text), x).tolist() == wanted, text


def test_evenly_spaced_rows() -> None:
    table = formula("x**2", points=5, low=-1.0, high=3.0)
    assert table.input[:, 0].tolist() == [-1, 0, 1, 2, 3]
    assert table.target is not None
    assert table.target[:, 0].tolist() == [1, 0, 1, 4, 9]
    assert table.input.dtype == table.target.dtype == torch.float64
    plane = formula("x1 - x2", points=9, spacing="even")
    assert plane.input.tolist() == [[a, b] for a in (-1, 0, 1) for b in (-1, 0, 1)]


def test_drawn_rows_and_noise_come_from_the_seed() -> None:
    torch.manual_seed(3)
    table = formula("x", points=1000, low=2.0, high=4.0, spacing="uniform", noise=0.5)
    torch.manual_seed(3)
    x = 2 + 2 * torch.rand(1000, 1, dtype=torch.float64)
    assert torch.equal(table.input, x)
    assert table.target is not None
    assert torch.equal(table.target, x + 0.5 * torch.randn(1000, 1, dtype=torch.float64))
    assert formula("x1*x2", points=10).input.shape == (10, 2)  # drawn, since no grid was asked for


@pytest.mark.parametrize(("more", "drawn"), [
    ((), False), (("data.noise=0.1",), True), (("data.spacing=uniform",), True),
    (("data.formula=x1*x2",), True),
    (("data.formula=x1*x2", "data.spacing=even"), False),
])  # fmt: skip
def test_each_seed_draws_its_own_rows_where_anything_is_drawn(
    more: tuple[str, ...], drawn: bool
) -> None:
    tables = []
    for seed in (1, 1, 2):
        config = compose_settings("data=formula", "data.formula=x**2", *more, f"seed={seed}")[0]
        assert is_drawn(config["data"]) == drawn
        tables.append(build_data(config).table)
    assert tables[0].target is not None
    assert torch.equal(tables[0].target, tables[1].target)  # type: ignore[arg-type]
    assert torch.equal(tables[0].target, tables[2].target) != drawn  # type: ignore[arg-type]


def test_a_drawn_row_without_a_value_is_refused_too() -> None:
    config = compose_settings("data=formula", "data.formula=sqrt(x)", "data.spacing=uniform")[0]
    with pytest.raises(InputError, match=r"'sqrt\(x\)' is not a number at x=-0"):
        build_data(config)


def test_rows_are_rounded_to_the_precision_of_the_run(finish: Callable[..., Finished]) -> None:
    short = ("data=formula", "data.formula=x/3", "trainer.max_epochs=1", "logger=none")
    for precision, dtype in ((32, torch.float32), (64, torch.float64)):
        train = finish(*short, f"precision={precision}").run.data.train
        assert train.target is not None
        assert train.target.dtype == dtype
        assert torch.equal(train.target, (train.input.double() / 3).to(dtype)) == (precision == 64)


def test_formulas_are_swept_with_other_keys(sweep: Callable[..., Swept]) -> None:
    done = sweep(
        "data=formula", "data.formula=abs(x), max(x,0.5)", "data.noise=0,0.1", "seed=range(3)",
        "model.width=4", "trainer.max_epochs=20", "data.probe=[[0.5]]", "sweep.verify=2",
        "pictures=few",
    )  # fmt: skip
    assert done.code == 0
    assert set(done.table["data.formula"]) == {"'abs(x)'", "'max(x,0.5)'"}
    assert len(done.table) == 12
    assert set(done.table["status"]) == {"completed"}
    assert set(done.table["engine"]) == {"fused"}
    assert (done.store.directory / "fit.png").exists()


def test_one_wrong_formula_of_a_sweep_fails_alone(sweep: Callable[..., Swept]) -> None:
    done = sweep("data=formula", "data.formula=x,log(x),ln(x)", "trainer.max_epochs=2", "seed=1,2")
    assert done.table.filter(status="completed")["data.formula"].unique().to_list() == ["x"]
    assert done.code == 1
    assert "'log(x)' is not a number at x=-1" in done.text
    assert "2 runs to train, 4 invalid" in done.text  # before any work
