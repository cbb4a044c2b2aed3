"""What follows a sweep or a search: the confirmation that was asked for, or how to ask for it."""

from collections.abc import Mapping
from typing import Any

from small_nets.sweep.confirmation.confirm import confirm, suggest
from small_nets.sweep.results.conclude import Concluded
from small_nets.sweep.session import Session


def confirm_end(session: Session, found: Concluded, settings: Mapping[str, Any]) -> None:
    """Train the best settings again under fresh seeds; suggest it where it was not asked for.

    settings: the section with the keys confirm and confirm_seeds. Raises InputError, Interrupted.
    """
    if found.standard is None:
        return
    if settings["confirm"] == 0:
        suggest(session.console, session.store, found.ranked)
        return
    confirm(
        session.store, found.ranked, found.standard, settings["confirm"],
        settings["confirm_seeds"], session.means, session.console, session.notify,
    )  # fmt: skip
