"""A real libp2p node among simulated ones: does it hear what they say, and they what it says? Needs root, on Linux."""

import json
import subprocess
import sys

import click
import mesocosm as mc

TOPIC = "blocks"
PEER = [sys.executable, "-c", "import sys; from mesocosm.cli import main; sys.exit(main())", "node", "--json"]


def start(peer, nodes, command):
    """Starts the real peer in its namespace, connected to the first three simulated nodes."""
    dials = [part for address in nodes[:3].addresses for part in ("--dial", address)]
    arguments = [*command, *dials, "--ephemeral", "--subscribe", TOPIC]
    return peer.start(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def heard(process):
    """The messages that the real peer printed."""
    process.terminate()
    events = [json.loads(line) for line in process.communicate()[0].splitlines()]
    return [event for event in events if event["event"] == "message"]


@click.command(help=__doc__)
@click.option("--nodes", "count", default=50, show_default=True, help="Simulated nodes.")
@click.option("--until", default="30s", show_default=True, help="When the run ends; it takes that long.")
@click.option("--seed", default=1, show_default=True)
@click.option("--out", metavar="FILE", help="Write the record to this HDF5 file.")
def main(count, until, seed, out):
    """Runs it, and tells what came through."""
    with mc.Namespace("mesocosm-peer") as peer:
        world = mc.World(backend="packet", seed=seed, internet=mc.internet.ethereum_2025())
        nodes = world.add(count, mc.Node(mc.GossipSub()))
        world.bootstrap(nodes, mc.overlay.random(degree=min(10, (count - 1) // 2 * 2)))
        nodes.subscribe(TOPIC)
        world.attach(peer)
        real = []
        world.at("1s", lambda: real.append(start(peer, nodes, PEER)))

        def speak():
            real[0].stdin.write(f"the real peer says this at {world.now:.3f} s\n")
            real[0].stdin.flush()

        world.every("2s", lambda: nodes.sample(1).publish(TOPIC, size="1KiB"), start="10s")
        world.every("2s", speak, start="11s")
        run = world.run(until, out=out)
        messages = heard(real[0])
    # What the real peer published was published by no node of the world's.
    foreign = run.messages[~run.messages.publisher.isin(run.nodes.index)]
    rows = [
        (
            "simulated messages",
            f"{len(run.messages) - len(foreign)}, of which the real peer heard {len(messages)}",
        ),
        (
            "the real peer's messages",
            f"{len(foreign)}, which {len(run.deliveries[run.deliveries.message.isin(foreign.index)])} simulated nodes heard",
        ),
        (
            "lateness",
            f"mean {world.lateness['mean'] * 1e3:.3f} ms, most {world.lateness['most'] * 1e3:.1f} ms",
        ),
    ]
    for name, value in rows:
        click.echo(f"{name:<26}{value}")


if __name__ == "__main__":
    main()
