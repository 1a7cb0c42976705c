"""Checks who may include whom (ARCHITECTURE.md, "Layers"), and a few rules of style that tools do not know."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Each folder and what it may include besides itself.
CORES = ["stack/base", "stack/wire", "stack/crypto"]
STACK = [*CORES, "stack/observe", "stack/env", "stack/secure", "stack/mux", "stack/negotiate"]
SWARM = [*STACK, "stack/transport", "stack/swarm"]
GOSSIP = [*SWARM, "stack/protocols/pubsub", "stack/protocols/gossipsub"]
NODE = [*SWARM, "stack/protocols", "stack/node"]
ALLOWED: dict[str, list[str]] = {
    "stack/base": [],
    "stack/observe": ["stack/base"],
    "stack/env": ["stack/base", "stack/observe"],
    "stack/wire": ["stack/base"],
    "stack/crypto": ["stack/base", "stack/wire"],
    "stack/secure": CORES,
    "stack/http": ["stack/base"],
    "stack/scrape": ["stack/base", "stack/observe", "stack/env", "stack/http"],
    "stack/mux": CORES,
    "stack/negotiate": CORES,
    "stack/websocket": [*CORES, "stack/env", "stack/http"],
    "stack/transport": [*STACK, "stack/websocket"],
    "stack/swarm": [*STACK, "stack/transport"],
    "stack/protocols/identify": SWARM,
    "stack/protocols/ping": SWARM,
    "stack/protocols/perf": SWARM,
    "stack/protocols/pubsub": SWARM,
    "stack/protocols/rumors": [*SWARM, "stack/protocols/pubsub"],
    "stack/protocols/cyclon": [*SWARM, "stack/protocols/pubsub"],
    "stack/protocols/hyparview": [*SWARM, "stack/protocols/pubsub"],
    "stack/protocols/plumtree": [*SWARM, "stack/protocols/pubsub", "stack/protocols/hyparview"],
    "stack/protocols/gossipsub": [*SWARM, "stack/protocols/pubsub"],
    "stack/node": [*SWARM, "stack/protocols"],
    "stack/asio": ["stack/base", "stack/observe", "stack/env"],
    "sim/kernel": ["stack/base", "stack/observe", "stack/env"],
    "sim/net": ["stack/base"],
    "sim/hosts": ["stack/base", "stack/observe", "stack/env", "sim/kernel", "sim/net", "sim/faults"],
    "sim/capture": ["stack/base", "stack/observe", "stack/env", "stack/secure", "sim/net"],
    "sim/flow": [
        "sim/faults",
        "sim/capture",
        *STACK,
        "stack/transport",
        "sim/kernel",
        "sim/net",
        "sim/hosts",
    ],
    "sim/packet": ["sim/faults", "sim/capture", *STACK, "sim/kernel", "sim/net", "sim/hosts"],
    "sim/faults": ["stack/base", "stack/observe", "stack/env", "sim/kernel"],
    "sim/record": ["stack/base", "stack/observe", "stack/env"],
    "sim/mpi": ["stack/base"],
    "sim/rounds": [*CORES, "stack/protocols"],
    "sim/run": [*NODE, "stack/asio", "stack/scrape", "sim"],
    "attacks/wire": STACK,
    "attacks/gossip": GOSSIP,
    "attacks": [*GOSSIP, "attacks/gossip"],
    "python": [*NODE, "stack/scrape", "stack/asio", "sim", "attacks"],
}
# Each outside library has one place.
OUTSIDE = {
    r"<boost/beast/": ["stack/http"],
    r"<boost/(?!beast/)": ["stack/asio"],
    r"<(H5|hdf5)": ["sim/record"],
    r"<ns3/": ["sim/packet"],
    r"<mpi\.h>": ["sim/mpi"],
    r"<pybind11/": ["python"],
    r"<sodium[./]": ["stack/crypto"],
    # wire: SHA-256, which peer ids are made of; secure/tls: libssl and X.509.
    r"<openssl/": ["stack/crypto", "stack/wire", "stack/secure/tls*"],
}
# Words whose meaning differs from run to run; what they would be needed for comes from the Env.
FORBIDDEN = {
    r"std::random_device|\bsrand\(|\brand\(": [],
    r"std::(uniform|normal|exponential|lognormal|poisson)\w*_distribution": [],
    r"system_clock::now|steady_clock::now|gettimeofday|clock_gettime": ["stack/asio", "sim/run"],
    r"\bco_await\b|\bco_yield\b": [],
}


def owner(path: str) -> str:
    """The longest folder of ALLOWED that holds `path`, or ''."""
    return max((folder for folder in ALLOWED if path.startswith(folder + "/")), key=len, default="")


def within(path: str, folders: list[str]) -> bool:
    """Whether `path` is in one of `folders`; a "*" at the end stands for the rest of a file's name."""
    return any(path.startswith(folder[:-1] if folder[-1] == "*" else folder + "/") for folder in folders)


def check_file(path: str) -> list[str]:
    folder = owner(path)
    faults = []
    for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
        where = f"{path}:{number}"
        include = re.match(r'\s*#include "([^"]+)"', line)
        if include and folder:
            target = include.group(1)
            if not target.startswith(folder + "/") and not within(target, ALLOWED[folder]):
                faults.append(f"{where}: {folder} may not include {target}")
        if path.startswith("tests/"):
            continue
        for pattern, places in OUTSIDE.items():
            if re.match(r"\s*#include " + pattern, line) and not within(path, places):
                faults.append(f"{where}: only {', '.join(places)} may include {pattern}")
        for pattern, places in FORBIDDEN.items():
            if re.search(pattern, line) and not within(path, places):
                faults.append(f"{where}: {pattern} is forbidden here: {line.strip()}")
    return faults


def main() -> int:
    listed = subprocess.run(
        ["git", "ls-files", "*.cc", "*.h"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = listed.stdout.split()
    if not files:
        print("error: no sources found", file=sys.stderr)
        return 1
    faults = [fault for path in files for fault in check_file(path)]
    print("\n".join(faults) or f"{len(files)} files keep to the layers")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
