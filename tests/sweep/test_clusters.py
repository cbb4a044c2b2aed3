"""Real clusters of two nodes on this machine, started for one test each."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import ROOT

CLUSTERS = ROOT / "tests" / "clusters"
HAS_SLURM = all(map(shutil.which, ("slurmctld", "slurmd", "srun", "munged")))


def run_within(script: str, tmp_path: Path) -> None:
    binaries = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"PATH": binaries, "PYTHONPATH": str(ROOT),
                   "SMALL_NETS_VERSIONS": str(tmp_path / "versions.json"),
                   "SMALL_NETS_LETHAL": str(tmp_path / "lethal.txt")}  # fmt: skip
    done = subprocess.run(
        [CLUSTERS / script, sys.executable, "-m", "pytest", "-n0", "-m", "",
         CLUSTERS / "scenarios.py", "-o", "python_files=scenarios.py", "-p", "no:cacheprovider"],
        env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, timeout=3000,
        check=False,
    )  # fmt: skip
    print(done.stdout, done.stderr, sep="\n")
    assert done.returncode == 0, done.stdout[-4000:]


def _has_namespaces() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    command = ["unshare", "--net", "--uts", "--pid", "--fork", "--mount-proc", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


needs_root = pytest.mark.skipif(not _has_namespaces(), reason="namespaces of one's own need root")


@pytest.mark.ray
@needs_root
@pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed")
def test_ray(tmp_path: Path) -> None:
    run_within("ray.sh", tmp_path)


@pytest.mark.slurm
@needs_root
@pytest.mark.skipif(find_spec("submitit") is None, reason="the extra slurm is not installed")
@pytest.mark.skipif(not HAS_SLURM, reason="slurmctld, slurmd, slurm-client, munge are missing")
def test_slurm(tmp_path: Path) -> None:
    run_within("slurm.sh", tmp_path)
