"""What the headers are that a variant in C++ is compiled against, as a number: another number, another layout.

A program for the build too: `header_abi.py ROOT` prints it as a C++ source. It needs nothing but Python.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

HEADER = "stack/protocols/gossipsub/plugin.h"
_INCLUDE = re.compile(r'^\s*#include "([^"]+)"', re.MULTILINE)


def header_abi(root: Path) -> str:
    """A hash of `HEADER` under `root` and of all headers there that it includes, in 16 hexadecimal digits."""
    contents: dict[str, str] = {}
    waiting = [HEADER]
    while waiting:
        name = waiting.pop()
        if name not in contents:
            contents[name] = (root / name).read_text()
            waiting += _INCLUDE.findall(contents[name])
    whole = "".join(f"{name}\0{text}\0" for name, text in sorted(contents.items()))
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


if __name__ == "__main__":
    print('#include "python/plugins.h"\n')
    print("namespace mesocosm::python {\n")
    print(f'const char* const kVariantAbi = "{header_abi(Path(sys.argv[1]))}";\n')
    print("}  // namespace mesocosm::python")
