"""A tree of its own for a sanitised build: a copy of the sources with its own compiled modules and its own `python`.

The checkout's in-place build stays as it is. C sources (build/cython) are shared with it: nothing is translated
twice.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COPIED = ("processor", "ext", "tests", "bench", "examples", "setup.py", "pyproject.toml", "README.md")
LEFT_OUT = (".so", ".pyc", ".c", ".o")
RUNTIMES = {"thread": "libtsan.so", "address": "libasan.so"}


class CannotBuild(RuntimeError):
    """The sanitised build or its interpreter could not be made; the message says what is missing."""


@dataclass(frozen=True)
class Tree:
    """`sanitizer` is "thread" or "address"; `root` the directory that the copy is in."""

    sanitizer: str
    root: Path

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python"

    @property
    def reports(self) -> Path:
        """Where every process of the tree leaves what its sanitizer found, a file a process."""
        return self.root / "reports"

    def compiled(self) -> list[Path]:
        """The compiled modules that the sources ask for; raises CannotBuild for a missing or a plain one."""
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        modules = []
        for source in sorted((self.root / "ext").rglob("*.pyx")):
            module = (self.root / "processor" / source.relative_to(self.root / "ext")).with_suffix(suffix)
            if not module.exists():
                raise CannotBuild(f"{module} was not built")
            if RUNTIMES[self.sanitizer].encode() not in module.read_bytes():
                raise CannotBuild(f"{module} is not linked with {RUNTIMES[self.sanitizer]}: remove {self.root}")
            modules.append(module)
        if not modules:
            raise CannotBuild(f"no sources under {self.root / 'ext'}")
        return modules


def make_tree(sanitizer: str, root: Path, *, c_sources: Path = ROOT / "build" / "cython") -> Tree:
    """Brings the tree at `root` up to date with the checkout and compiles what has changed."""
    tree = Tree(sanitizer, root)
    root.mkdir(parents=True, exist_ok=True)
    mirror(root)
    make_python(tree)
    compile_modules(tree, c_sources)
    tree.compiled()
    return tree


def mirror(root: Path) -> None:
    """Copies what has changed, times included (they decide what is compiled again), and removes what is gone."""
    wanted: dict[Path, Path] = {}
    for name in COPIED:
        top = ROOT / name
        for source in [top] if top.is_file() else top.rglob("*"):
            if source.is_file() and source.suffix not in LEFT_OUT and "__pycache__" not in source.parts:
                wanted[root / source.relative_to(ROOT)] = source
    for target, source in wanted.items():
        old, new = target.stat() if target.exists() else None, source.stat()
        if old is None or (old.st_size, old.st_mtime_ns) != (new.st_size, new.st_mtime_ns):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    for name in COPIED:
        for found in (root / name).rglob("*"):
            if found.is_file() and found not in wanted and not (found.suffix == ".so" and has_source(root, found)):
                found.unlink()


def has_source(root: Path, module: Path) -> bool:
    """Whether a compiled module under `root` still has the source that it was made of."""
    inside = module.relative_to(root)
    return (ROOT / "ext").joinpath(*inside.parts[1:-1], inside.name.split(".")[0] + ".pyx").exists()


def make_python(tree: Tree) -> None:
    """A virtual environment whose python has the sanitizer's runtime in front and whose `processor` is the tree's."""
    interpreter = Path(sys.executable).resolve()
    if interpreter.read_bytes()[:4] != b"\x7fELF":
        raise CannotBuild(f"{interpreter} is no executable of its own but a script: run this with .venv/bin/python")
    packages = tree.root / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for directory in (packages, tree.python.parent):
        directory.mkdir(parents=True, exist_ok=True)
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    (tree.root / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    # The tree stands before the packages of this environment, whose own .pth files are not read from here: they would
    # lead to the checkout's build.
    own = Path(sysconfig.get_path("purelib"))
    (packages / "sanitized.pth").write_text(f"import os; os.environ.pop('LD_PRELOAD', None)\n{tree.root}\n{own}\n")
    preloaded = [runtime_path(RUNTIMES[tree.sanitizer])]
    if tree.sanitizer == "thread":
        threads = tree.root / "lib" / "c11_threads.so"
        run(["cc", "-O1", "-g1", "-Wall", "-shared", "-fPIC", "-o", str(threads), str(HERE / "c11_threads.c")])
        preloaded.append(threads)
    paths = [f'-DRUNTIME="{":".join(map(str, preloaded))}"', f'-DINTERPRETER="{interpreter}"']
    run(["cc", "-O1", "-Wall", "-D_GNU_SOURCE", *paths, "-o", str(tree.python), str(HERE / "launcher.c")])


def runtime_path(library: str) -> Path:
    """The compiler's own copy of a library; raises CannotBuild when it has none."""
    said = run(["cc", f"-print-file-name={library}"]).strip()
    if not os.path.isabs(said):
        raise CannotBuild(f"the C compiler has no {library}: sanitised builds need gcc with its sanitizer runtimes")
    return Path(said).resolve()


def compile_modules(tree: Tree, c_sources: Path) -> None:
    """setup.py in the tree: what is older than its source, and everything when the way it is compiled has changed."""
    environment = {**os.environ, "PROCESSOR_SANITIZE": tree.sanitizer, "PROCESSOR_BUILD_DIR": str(c_sources)}
    compiler = run(["cc", "--version"]) + sys.version + str(environment.get("CFLAGS"))
    stamp = hashlib.sha256(compiler.encode() + (ROOT / "setup.py").read_bytes()).hexdigest()
    built = tree.root / "built-with"
    if not built.exists() or built.read_text() != stamp:
        shutil.rmtree(tree.root / "build", ignore_errors=True)
        for module in (tree.root / "processor").rglob("*.so"):
            module.unlink()
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace", "--parallel", str(os.cpu_count() or 1)]
    run(command, cwd=tree.root, env=environment)
    built.write_text(stamp)


def run(command: list[str], **how: Any) -> str:
    """A command's output; raises CannotBuild with what it said when it fails or is not there."""
    try:
        result: subprocess.CompletedProcess[str] = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **how
        )
    except FileNotFoundError:
        raise CannotBuild(f"{command[0]} is not installed") from None
    if result.returncode:
        raise CannotBuild(f"{' '.join(command)} failed:\n{(result.stdout + result.stderr)[-3000:]}")
    return result.stdout
