"""The file that Triton's Python backend loads: it finds the modules that were exported beside it, and hands over."""

import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 (this package's Python is not Triton's)
    raise RuntimeError(f"the model needs Python 3.11 or newer (Triton 24.11 or newer), and this is {sys.version}")

# In front: where the product itself is installed too, it may be of another release than the model.
sys.path.insert(0, str(Path(__file__).parent))

from inference_service.triton.serving import TritonPythonModel

__all__ = ["TritonPythonModel"]
