"""The measurements of `benchmarks/serving.py`, one module each, and what they share."""

import sys
from pathlib import Path

# The checkout that this file is part of is measured, whatever is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
