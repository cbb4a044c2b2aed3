"""Runs whose pictures teach."""

from pathlib import Path


def lessons_in(directory: Path) -> set[str]:
    names = {path.name for path in directory.iterdir() if path.suffix in (".png", ".gif")}
    return names - {"fit.png", "loss.png", "optimal_lr.png"}
