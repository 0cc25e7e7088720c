"""Images made of this machine's own files, where no registry can be reached: Debian's basics, Python, PostgreSQL."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

from tests.compose.engine import Engine

_UNWANTED = re.compile(r"/usr/share/(doc|man|locale|info|lintian|bash-completion)/")
_MERGED = re.compile(r"^/(bin|sbin|lib|lib64)(?=/|$)")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_POSTGRES = Path("/usr/lib/postgresql")
_DOCKERFILES = Path(__file__).parent


def why_not() -> str:
    """Why no image can be made of this machine; empty: one can."""
    if not Path("/etc/debian_version").is_file():
        return "this machine is no Debian, of whose files images could be made"
    if Path(sys.base_prefix) == Path("/usr"):
        return "this Python is a part of Debian, which has no pip to take along"
    if not any(_POSTGRES.glob("*/bin/postgres")):
        return "PostgreSQL is not installed here (Debian's package postgresql)"
    return ""


def make_python_image(engine: Engine, tag: str) -> None:
    """An image like python:3.11-slim."""
    prefix = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = prefix / "lib" / version
    dropped = {"test", "idlelib", "__pycache__", "site-packages"}
    own = [
        file
        for file in (prefix / "bin" / version, *prefix.glob("lib/libpython*.so*"), *library.rglob("*"))
        if not dropped & set(file.relative_to(prefix).parts) and not file.is_dir()
    ]
    shared = _shared_libraries([prefix / "bin" / version, *library.glob("lib-dynload/*.so")])
    with engine.importing(f"{tag}-files") as stream, tarfile.open(fileobj=stream, mode="w|") as archive:
        _add(archive, [*_basic_files(), *shared, _CERTIFICATES])
        for file in own:
            archive.add(file, f"usr/local/{file.relative_to(prefix)}", recursive=False)
        for name in ("passwd", "group"):
            archive.add(f"/usr/share/base-passwd/{name}.master", f"etc/{name}")
    arguments = {"FILES": f"{tag}-files", "PYTHON": version}
    engine.build(_DOCKERFILES / "python", tag, arguments)


def make_postgres_image(engine: Engine, tag: str, python_image: str) -> None:
    """An image like postgres:15, of the newest PostgreSQL that is installed."""
    folder = max(_POSTGRES.glob("*/bin/postgres"), key=lambda file: int(file.parts[-3])).parent.parent
    packages = (f"postgresql-{folder.name}", f"postgresql-client-{folder.name}", "tzdata")
    programs = [*folder.glob("bin/*"), *folder.glob("lib/*.so")]
    with engine.importing(f"{tag}-files") as stream, tarfile.open(fileobj=stream, mode="w|") as archive:
        _add(archive, [*_files_of(packages), *_shared_libraries(programs)])
    arguments = {"FILES": f"{tag}-files", "PYTHON_IMAGE": python_image, "VERSION": folder.name}
    engine.build(_DOCKERFILES / "postgres", tag, arguments)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _basic_files() -> list[Path]:
    """What every Debian has, and what it calls by another name (awk, which is mawk)."""
    listed = _run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${binary:Package}\t${Essential}\t${Priority}\n")
    rows = [line.split("\t") for line in listed.splitlines()]
    packages = [row[1] for row in rows if row[0].strip() == "ii" and (row[2] == "yes" or row[3] == "required")]
    # The whole C library: packages from PyPI load parts of it that nothing here is linked with.
    packages += ["libc6", "libgcc-s1", "libstdc++6"]
    files = _files_of([*packages, "ca-certificates", "netbase", "tzdata"])
    files += _shared_libraries([file for file in files if _is_program(file)])
    known = {_place(file) for file in files}
    alternatives = [link for link in Path("/etc/alternatives").iterdir() if _place(link.resolve()) in known]
    return [*files, *alternatives]


def _files_of(packages: Iterable[str]) -> list[Path]:
    names = _run("dpkg", "-L", *packages).splitlines()
    return [Path(name) for name in names if name.startswith("/") and not _UNWANTED.match(name)]


def _is_program(file: Path) -> bool:
    return file.parent.name in ("bin", "sbin") and file.is_file()


def _shared_libraries(programs: Iterable[Path]) -> list[Path]:
    """The libraries that programs are linked with, under the names that they ask for and under their own."""
    found: set[Path] = set()
    listed = subprocess.run(["ldd", *map(str, programs)], check=False, capture_output=True, text=True).stdout
    for name in re.findall(r"(/\S+\.so\S*) \(0x", listed):
        if not name.startswith(sys.base_prefix):
            found |= {Path(name), Path(name).resolve()}
    return sorted(found)


def _place(file: Path) -> str:
    """Where a file lies when /bin, /lib and their like are links into /usr."""
    return _MERGED.sub(r"/usr/\1", str(file)).lstrip("/")


def _add(archive: tarfile.TarFile, files: Iterable[Path]) -> None:
    for name in ("bin", "sbin", "lib", "lib64"):
        link = tarfile.TarInfo(name)
        link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
        archive.addfile(link)
    places = {_place(file): file for file in files if not _MERGED.fullmatch(str(file))}
    # Folders before what is in them.
    for place in sorted(places):
        if place and os.path.lexists(places[place]):
            archive.add(places[place], place, recursive=False)
