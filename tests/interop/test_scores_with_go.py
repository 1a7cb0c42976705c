"""Our peer scores beside go-libp2p-pubsub's: the same events, at the same virtual times, give the same scores.

`./dev interop` builds what is needed and runs this. tests/interop/scores/probe_test.go replays the events in a copy of go's
package, tests/interop/scores/main.cc on our core.
"""

from __future__ import annotations

import pytest

from score_script import Script, is_eventful, parting, replay


@pytest.mark.parametrize("seed", range(20))
def test_the_same_events_give_the_same_scores(seed: int) -> None:
    script = Script(seed).make()
    theirs = replay("go", script)
    assert is_eventful(theirs)
    assert parting(replay("ours", script), theirs, script) == ""
