"""Compiles every source under ext/ to the module of `processor` at the same path: ext/ring/buffer.pyx -> processor.ring.buffer.

PROCESSOR_SANITIZE=thread|address builds the same sources with a sanitizer (see `make sanitize`). PROCESSOR_BUILD=none compiles nothing
(`make build` links the checkout into its environment that way, and compiles in place beside it).
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

SANITIZER = os.environ.get("PROCESSOR_SANITIZE", "")
COMPILE = ["-O2", "-g1", "-std=gnu11", "-Wall", "-Wno-unused-function", "-fno-strict-aliasing"]
LINK: list[str] = ["-pthread", "-ldl"]
if SANITIZER:
    COMPILE = [*COMPILE, "-O1", "-fno-omit-frame-pointer", f"-fsanitize={SANITIZER}"]
    LINK = [*LINK, f"-fsanitize={SANITIZER}"]

# CYTHON_ATOMICS stay on; the limited API does not, since blocks are handed over as buffers.
MACROS = [("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")]


def extensions() -> list[Extension]:
    found = []
    for source in sorted(Path("ext").rglob("*.pyx")):
        name = ".".join(("processor", *source.with_suffix("").parts[1:]))
        found.append(Extension(name, [str(source)], extra_compile_args=COMPILE, extra_link_args=LINK, define_macros=MACROS))
    return found


setup(
    ext_modules=[] if os.environ.get("PROCESSOR_BUILD") == "none" else cythonize(
        extensions(),
        include_path=["."],
        build_dir=os.environ.get("PROCESSOR_BUILD_DIR", "build/cython"),
        nthreads=0 if SANITIZER else (os.cpu_count() or 1),
        compiler_directives={
            "language_level": "3",
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "embedsignature": False,
            "initializedcheck": False,
        },
    ),
)
