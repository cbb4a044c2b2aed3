"""The table of what may be typed, held against the signatures and the rules of the code."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch

from small_nets.config import conf_files
from small_nets.config.component_facts import NEEDED, Loss, Source
from small_nets.config.components import COMPONENTS, LOSSES, METRICS, OPTIMIZERS, RULES
from small_nets.config.schema import FIELDS as VALUES
from small_nets.config.schema import OWN_FIELDS
from small_nets.config.sections import GROUPS, keys_of
from small_nets.nn import losses, update_rules
from small_nets.nn.rule_lookup import find_rule, rule_of, spelled_out, why_alone
from small_nets.nn.update_rules import UpdateRule
from small_nets.run.build.build import make_optimizer
from small_nets.run.build.targets import load, metrics_of

# What the program tells a component, beside its section; a table's settings stand beside it.
TOLD = {"inputs", "params", "step"}
CASES = [(where, name) for where, found in COMPONENTS.items() for name in found]


def signature(function: Callable[..., Any]) -> dict[str, Any]:
    """Setting -> default, or NEEDED, of what a section may call."""
    if isinstance(owner := getattr(function, "__self__", None), UpdateRule):  # it, by hand
        return of_rule(owner)
    if isinstance(function, losses.Loss):  # its weights of rows come from its classes
        names = list(inspect.signature(function.value).parameters)
        return {"class_weight": None} if names == ["prediction", "target", "weight"] else {}
    return {
        name: NEEDED if p.default is inspect.Parameter.empty else p.default
        for name, p in inspect.signature(function).parameters.items()
    }


def of_rule(rule: UpdateRule) -> dict[str, Any]:
    found: dict[str, Any] = {}
    made = set(rule.coefficients(1, lr=0.1)) - {"lr"}
    for half in (rule.coefficients, rule.update):
        for name, p in inspect.signature(half).parameters.items():
            if p.kind is p.KEYWORD_ONLY and (half is rule.coefficients or name not in made):
                found.setdefault(name, NEEDED if p.default is p.empty else p.default)
    return {k: v for k, v in found.items() if k not in ("mix", "keep", "add", "rate", "root")}


def test_a_component_that_lacks_a_fact_fails_at_import() -> None:
    with pytest.raises(TypeError, match="compares"):
        Loss("small_nets.nn.losses.mse", {}, "regression")  # type: ignore[call-arg]


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_knows_its_row(name: str) -> None:
    loss = load(LOSSES[name].where)
    assert isinstance(loss, losses.Loss)
    assert loss.name == name


def test_the_metrics() -> None:
    found = metrics_of(list(METRICS))
    assert {name: getattr(f, "name", name) for name, f in found.items()} == {n: n for n in METRICS}
    assert all(METRICS[n].compares == facts.compares for n, facts in LOSSES.items() if n in METRICS)


@pytest.mark.parametrize(("where", "name"), CASES)
def test_the_same_settings(where: str, name: str) -> None:
    takes, found = COMPONENTS[where][name].takes, signature(load(COMPONENTS[where][name].where))
    fact = COMPONENTS[where][name]
    told = {*fact.beside, "task"} if isinstance(fact, Source) and fact.beside else TOLD
    if isinstance(fact, Source) and not fact.beside:
        told = set()
    found = {k: v for k, v in found.items() if k not in told}
    if name == "mlp":
        found["outputs"] = None  # null: as many as the target has
    if where == "optimizer":
        found["lr"] = NEEDED
    assert dict(takes) == found


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_takes_each_of_them(name: str) -> None:
    section = {k: 0.01 if v is NEEDED else v for k, v in OPTIMIZERS[name].takes.items()}
    made = make_optimizer({"_target_": name, **section})([torch.nn.Parameter(torch.ones(2))])
    assert made.param_groups[0].keys() >= {k for k in section if not k.startswith("_")}


@pytest.mark.parametrize("group", GROUPS)
def test_every_key_has_a_rule(group: str) -> None:
    for choice in conf_files.choices(group):
        section = conf_files.section(group, choice)
        target = section.get("_target_", "")

        def check(path: str, tree: dict[str, Any], target: str = target) -> None:
            for key, below in tree.items():
                if isinstance(below, dict):
                    check(f"{path}.{key}", below)
                elif key != "_target_":
                    where = f"{path}.{key}"
                    assert where in VALUES or f"{target} {where}" in OWN_FIELDS

        check(group, keys_of(group, section))


@pytest.mark.parametrize("group", GROUPS)
def test_our_own_files_state_what_is_taken(group: str) -> None:
    for choice in conf_files.choices(group):
        section = conf_files.section(group, choice)
        assert section.keys() <= keys_of(group, section).keys()


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("momentum", [{}, {"momentum": 0.5}], ids=["", "momentum"])
def test_what_a_rule_takes(name: str, momentum: dict[str, float]) -> None:
    takes = OPTIMIZERS[name].takes
    section = {"_target_": name, "lr": 0.1} | {k: v for k, v in momentum.items() if k in takes}
    if why_alone(section) is not None:
        assert (name, momentum) == ("rmsprop", {"momentum": 0.5})
        return
    rule, whole = find_rule(section), spelled_out(section)
    assert rule is not None
    wanted = of_rule(getattr(update_rules, rule_of(name, "momentum" in section)))
    assert whole.keys() >= wanted.keys()  # AdamW's are those of Adam, too, which it hands on
    numbers = {k: v for k, v in whole.items() if k not in ("_target_", "nesterov")}
    new, _ = rule(torch.ones(2), torch.ones(2), {}, 1, **numbers)
    assert new.isfinite().all()


@pytest.mark.parametrize(("name", "key"), [
    (n, k) for n, facts in OPTIMIZERS.items() for k in facts.takes
    if k not in RULES[rule_of(n, True)]
])  # fmt: skip
def test_what_a_rule_lacks_goes_alone_unless_it_is_off(name: str, key: str) -> None:
    default = OPTIMIZERS[name].takes[key]
    section = {"_target_": name, "lr": 0.1}
    assert why_alone(section | {key: default}) is None
    assert key not in spelled_out(section | {key: default})
    other = True if default is False or default is None else 0.5
    reason = why_alone(section | {key: other})
    assert reason is not None
    assert f"optimizer.{key}={str(other).lower()}" in reason
    assert find_rule(section | {key: other}) is None
