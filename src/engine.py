"""What trains a single run: Lightning, or an engine that it asks for."""

from src.fit import Train
from src.run import Run


def engine_of(run: Run) -> Train | None:
    """None for Lightning. Raises InputError where the engine that was asked for cannot."""
    if run.config["engine"] in (None, "lightning"):
        return None
    # Only where it is asked for: the engines take longer to import than a small run to train.
    from src.sweep.single import trainer

    return trainer(run)
