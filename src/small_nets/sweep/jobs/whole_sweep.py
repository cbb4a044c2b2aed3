"""What concerns all jobs of a sweep: the swept keys, keys with one value, tables, errors."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from small_nets.config import conf_files, defaults_lists
from small_nets.config.components import is_table
from small_nets.config.errors import InputError
from small_nets.config.override_values import canonical
from small_nets.config.overrides import key_of, own
from small_nets.config.sections import GROUPS, keys_of, unknown_key
from small_nets.run.build.build import build
from small_nets.run.known_metrics import check_success
from small_nets.sweep.jobs.expand import Job
from small_nets.sweep.jobs.grid import GIVEN_ONCE
from small_nets.sweep.store.store import Store


def refuse_varying(lists: Sequence[Sequence[str]]) -> None:
    """Raises InputError where jobs differ in a key that has one value in a sweep."""
    different = set(chain.from_iterable(lists))
    for word in GIVEN_ONCE:
        given = {o for o in different if key_of(o).split(".")[0] == word}
        for key in sorted({o.partition("=")[0] for o in given}):
            values = sorted(o.partition("=")[2] for o in given if o.partition("=")[0] == key)
            if len(values) > 1:
                raise InputError(
                    f"{key} applies to the whole sweep: it takes one value, not "
                    f"{', '.join(values)}.\nFix: {key}={values[0]}"
                )


def swept_keys(jobs: Sequence[Job], store: Store) -> tuple[list[str], dict[str, str]]:
    """The keys whose values differ; and key -> override of those that have one value.

    Values differ between these jobs, or between them and the stored runs. There a key also
    differs that was given only then, or only now.
    """
    given: dict[str, list[str]] = {}
    # Each override once, in the order of the command: a million jobs have some thousands.
    for override in own(dict.fromkeys(chain.from_iterable(job.overrides for job in jobs))):
        given.setdefault(key_of(override), []).append(override)
    fixed: dict[str, str] = {}
    for key, several in given.items():
        first = canonical(several[0])
        if all(canonical(other) == first for other in several[1:]):  # 0.1 and 0.10 are one value
            fixed[key] = first
    before: dict[str, str] = store.about.get("fixed", {})
    known = [*before, *store.about["swept"]]
    keys = [key for key in given if key not in fixed]
    if store.about["jobs"]:
        keys += [k for k in fixed if before.get(k) != fixed[k] and k not in keys]
        keys += [k for k in dict.fromkeys(known) if k not in given and k not in keys]
    keys = [key for key in keys if key.partition(".")[0] not in GIVEN_ONCE]
    return keys, {key: text for key, text in fixed.items() if key not in keys}


def check_rules(jobs: Sequence[Job]) -> None:
    """Raises InputError where the rule of success is of a metric that a job's run will not have."""
    firsts = {id(job.family): job for job in reversed(jobs) if job.error is None}
    # Jobs of one family have one experiment and one structure.
    rules = [s for job in firsts.values() if (s := job.settings()).get("success") is not None]
    for settings in {str(s["name"]): s for s in reversed(rules)}.values():
        check_success(build(settings))


def table_digests(store: Store, jobs: Sequence[Job]) -> dict[str, str]:
    """Path -> digest of every table of these jobs and of the stored runs.

    Raises InputError where a table has changed since: runs on different rows would be ranked as
    seeds of one setting.
    """
    stored: dict[str, str] = store.about.get("tables", {})
    tables = _tables([job for job in jobs if job.error is None])
    now = {data["path"]: data["digest"] for data in tables}
    changed = [path for path, found in now.items() if stored.get(path, found) != found]
    if changed:
        raise InputError(
            f"sweep.dir={store.directory} holds runs on another version of {changed[0]}: the table "
            "has changed since.\nFix: another sweep.dir"
        )
    return stored | now


def rows_left_out(jobs: Sequence[Job]) -> list[str]:
    """A sentence for each table of these jobs from which rows are left out."""
    found = {(data["path"], data["dropped"]) for data in _tables(jobs) if data["dropped"]}
    return [f"{path}: {count:,} row{'s are' if count > 1 else ' is'} left out: a value is missing "
            f"in {'them' if count > 1 else 'it'}" for path, count in sorted(found)]  # fmt: skip


def _tables(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """The data sections that were completed by reading a table."""
    return [job.own["data"] for job in jobs if "data" in job.own and is_table(job.own["data"])]


def first_error(failed: Sequence[Job]) -> str:
    """The message of the first failed job, and the number of failed jobs."""
    message = failed[0].error or ""
    more = f"\n({len(failed):,} runs fail; this is the first message)" if len(failed) > 1 else ""
    return message + more


def refuse_if_all_fail(jobs: Sequence[Job], folders: Sequence[Path]) -> None:
    """Raises InputError where all jobs of a sweep are invalid.

    It names a key that no job's choice takes, or has the first job's message.
    """
    failed = [job for job in jobs if job.error is not None]
    if failed and len(failed) == len(jobs):
        raise _missing_key(jobs, folders) or InputError(first_error(failed))


def _missing_key(jobs: Sequence[Job], folders: Sequence[Path]) -> InputError | None:
    """The error for the first overridden key that none of several choices of its group takes.

    None where there is no such key.
    """
    found: dict[tuple[str, str], None] = {}  # key and its group's choice
    added = {key_of(o) for job in jobs for o in job.overrides if o.startswith("+")}
    for job in jobs:
        given = {key_of(o): o.partition("=")[2] for o in job.overrides}
        chosen = defaults_lists.default_choices(given.get("experiment"), folders) | given
        found |= {(key, chosen.get(key.partition(".")[0], "")): None for key in given
                  if "." in key and key.partition(".")[0] in GROUPS}  # fmt: skip
    for key in dict.fromkeys(key for key, _ in found):
        group, *words = key.split(".")
        choices = [choice for name, choice in found if name == key]
        sections = [conf_files.section(group, choice, folders) for choice in choices]
        if len(choices) < 2 or not all(sections):
            continue
        try:
            taken = [keys_of(group, section) for section in sections]
        except InputError:
            continue
        is_taken = any(conf_files.has(tree, words) for tree in taken)
        if key not in added and not any(conf_files.has(section, words) for section in sections):
            others = conf_files.choices_stating(group, words, folders)
            if others and is_taken:
                return InputError(f"{key} is not stated by {group}={'|'.join(choices)}.\n"
                                  f"Fix: {group}={'|'.join(others)}, which state it")  # fmt: skip
        if not is_taken:
            known: dict[str, Any] = {name: None for tree in taken for name in tree}
            stated: dict[str, Any] = {name: None for section in sections for name in section}
            return unknown_key(key, group, "|".join(choices), known, stated, None, folders)
    return None
