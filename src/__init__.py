"""The commands of a checkout. Its own package goes before one that is installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
