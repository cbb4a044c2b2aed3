"""The tables that a sweep is trained on: one sweep, one content of each."""

from collections.abc import Sequence

from src.complete import is_table
from src.errors import InputError
from src.sweep.expand import Job
from src.sweep.store import Store


def contents(store: Store, jobs: Sequence[Job]) -> dict[str, str]:
    """Path -> digest of every table of these jobs, and of those that were stored before.

    Raises InputError where a table has changed since: runs on different rows would be ranked as
    seeds of one setting.
    """
    stored: dict[str, str] = store.about.get("tables", {})
    # A job has a data section of its own where a table has completed it.
    sections = [job.own["data"] for job in jobs if job.error is None and "data" in job.own]
    now = {data["path"]: data["digest"] for data in sections if is_table(data)}
    changed = [path for path, found in now.items() if stored.get(path, found) != found]
    if changed:
        raise InputError(
            f"sweep.dir={store.directory} holds runs on another content of {changed[0]}: the table "
            "has changed since.\nFix: another sweep.dir"
        )
    return stored | now
