"""Validation: what applications say of the messages that come to their nodes (docs/validation.md).

```python
def judge(message):
    if message.data.startswith(b"junk"):
        return "reject", "5ms"
    return "accept", "20ms"

nodes.validate("blocks", judge)
```
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .errors import ConfigError
from .units import Duration, duration_ns

VERDICTS = ("accept", "reject", "ignore")


class Arrival(Protocol):
    """A message that came to a node for the first time, well signed, and waits for the application's word."""

    node: int  # whom it came to
    time: float  # seconds since the start
    topic: str
    data: bytes
    size: int  # of the data
    sender: int | None  # the node that handed it over; None: none of the world's
    author: int | None  # the node that signed it; None: the message names nobody, or none of the world's


Verdict = str | tuple[str, Duration]
Validator = Callable[[Arrival], Verdict]


def asker(validator: Validator) -> Callable[[Arrival], tuple[int, int | None]]:
    """The validator with its answers as plain numbers for the core; raises ConfigError for what is no answer."""

    def ask(message: Arrival) -> tuple[int, int | None]:
        said: Any = validator(message)
        verdict, work = said if isinstance(said, tuple) and len(said) == 2 else (said, None)
        if not isinstance(verdict, str) or verdict not in VERDICTS:
            raise ConfigError(
                f"Nodes.validate: a validator must return one of {', '.join(VERDICTS)}, or that and a duration,"
                f" not {said!r}"
            )
        return VERDICTS.index(verdict), None if work is None else duration_ns(work)

    return ask
