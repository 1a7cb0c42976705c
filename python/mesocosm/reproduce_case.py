"""One case of a paper in a process of its own: `python -m mesocosm.reproduce_case FOLDER`, its parameters on standard input and
its result and processor time on standard output, both pickled. Only `reproduce` starts it."""

from __future__ import annotations

import os
import pickle
import sys
import time
from pathlib import Path

from .reproduce import load_scenario


def main() -> None:
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the case prints must not come between
    case = pickle.load(sys.stdin.buffer)
    result = load_scenario(Path(sys.argv[1])).run(case)
    with answer:
        pickle.dump((result, time.process_time()), answer)


if __name__ == "__main__":
    main()
