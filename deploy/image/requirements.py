"""Prints the packages that an image needs, read from the extras in pyproject.toml, for one kind of device.

    python requirements.py --device cpu catalog query

The project asks for ONNX Runtime's CUDA build wherever there is one. An image without a GPU takes the build for CPUs,
which is a third of the size; one with a GPU takes CUDA's libraries along.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

CPU_BUILD, CUDA_BUILD = "onnxruntime", "onnxruntime-gpu"
CUDA_LIBRARIES = "[cuda,cudnn]"
"""Extras of the CUDA build with the libraries that it loads."""


def requirements(
    project: dict[str, object], extras: Iterable[str], device: str, without: Sequence[str] = ()
) -> list[str]:
    """The requirements of the project and its extras, each once, sorted; but for the packages `without`.

    Raises:
        SystemExit: the project has no such extra.
    """
    table = project["project"]
    assert isinstance(table, dict)
    optional = table["optional-dependencies"]
    found = set(table["dependencies"])
    for extra in extras:
        if extra not in optional:
            raise SystemExit(f"pyproject.toml has no extra {extra!r}; it has {', '.join(sorted(optional))}")
        found.update(optional[extra])
    wanted = (each for each in found if _name(each) not in without)
    return sorted({chosen for each in wanted for chosen in _for_device(each, device)})


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement.strip())[0]


def _for_device(requirement: str, device: str) -> Iterator[str]:
    """The requirement as the device wants it; none where it is the other's build of ONNX Runtime."""
    name = _name(requirement)
    if name not in (CPU_BUILD, CUDA_BUILD):
        yield requirement
    elif name == CUDA_BUILD and device == "gpu":
        yield requirement.split(";")[0].strip().replace(CUDA_BUILD, CUDA_BUILD + CUDA_LIBRARIES)
    elif name == CPU_BUILD and device == "cpu":
        yield requirement.split(";")[0].strip()


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads pyproject.toml of the current folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--without", default="", help="packages that are left out, with spaces between")
    parser.add_argument("extras", nargs="+")
    options = parser.parse_args(arguments)
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))
    print("\n".join(requirements(project, options.extras, options.device, options.without.split())))


if __name__ == "__main__":
    main()
