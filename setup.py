"""The native extensions: what they are made of and how they are compiled.

    KENCH_NATIVE_DISABLE=1    build none: the plain-Python twin serves
    KENCH_NATIVE_SANITIZE=1   build with AddressSanitizer and UBSan (see `make sanitize`)
    KENCH_NATIVE_SANITIZE=fuzz   so that it tells a fuzzer its coverage too; CC must be a clang

Every warning of Cython and of the C compiler is an error.
"""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup

Options.warning_errors = True

NATIVE = "kench/native"
SHA256 = ["sha256", "sha256_portable", "sha256_x86"]
# Each extension carries the C parts it uses: they share no symbols with one another.
SOURCES = {
    "_arithmetic": [*SHA256, "crc32"],
    "_table": [*SHA256, "crc32", "hash_set", "job"],
    "_sending": [],
    "_counting": ["crc32", "counting"],
    "_gate": [*SHA256, "crc32", "hash_set", "job", "names", "submit_line"],
    "_wire": [],
}
FLAGS = ["-O3", "-std=gnu11", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
# The runtime that atheris brings knows nothing of clang's check of function types.
FUZZ = [*SANITIZE, "-fno-sanitize=function", "-fsanitize=fuzzer-no-link"]
SANITIZERS = {"1": SANITIZE, "fuzz": FUZZ}


def extensions() -> list[Extension]:
    """List the extensions with their sources, headers and flags."""
    sanitize = SANITIZERS.get(os.environ.get("KENCH_NATIVE_SANITIZE", ""), [])
    headers = [str(header) for header in sorted(Path(NATIVE).glob("*.h"))]
    return [
        Extension(
            f"kench.native.{name}",
            [f"{NATIVE}/{name}.pyx", *(f"{NATIVE}/{source}.c" for source in sources)],
            include_dirs=[NATIVE],
            depends=headers,
            extra_compile_args=[*FLAGS, *sanitize],
            extra_link_args=sanitize,
        )
        for name, sources in SOURCES.items()
    ]


def native_modules() -> list[Extension]:
    """Compile the Cython sources to C, into build/ and not among the sources."""
    if os.environ.get("KENCH_NATIVE_DISABLE") == "1":
        if os.environ.get("KENCH_NATIVE_REQUIRE") == "1":
            sys.exit(
                "KENCH_NATIVE_DISABLE and KENCH_NATIVE_REQUIRE contradict each other: unset one"
            )
        return []
    return cythonize(
        extensions(), build_dir="build/cython", compiler_directives={"language_level": 3}
    )


setup(ext_modules=native_modules())
