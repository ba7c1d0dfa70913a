"""Counts the parameters of a config's networks, as they train and as they are deployed.

python -m training.sizes -c configs/….yml [-o Section.key=value …]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from runtime.program import add_json, show
from training.command import run_command

if TYPE_CHECKING:
    from training.config import Config
    from training.plan import DeployedPlan


@dataclass(frozen=True)
class NetworkSize:
    """The parameters of one network, BatchNorm's statistics among them as paddle counts them.

    Args:
        name: in the config, empty for a network by itself.
        trained: with all that training runs.
        deployed: without what only training runs, its branches merged.
        num_classes: K; 0 where heads have no classes.
    """

    name: str
    trained: int
    deployed: int
    num_classes: int


def network_sizes(plan: DeployedPlan) -> Iterator[NetworkSize]:
    """Build every network of a plan, one after the other, and yield its size."""
    from training.backbones.reparameterise import drop_training_parts, reparameterise

    for name, section in plan.model.networks.items():
        num_classes = plan.task.num_classes_of(section)
        network = plan.model.build_network(section, num_classes)
        trained = sum(parameter.size for parameter in network.parameters())
        network.eval()
        drop_training_parts(network)
        reparameterise(network)
        deployed = sum(parameter.size for parameter in network.parameters())
        yield NetworkSize(name, trained, deployed, num_classes)


def table(sizes: Sequence[NetworkSize]) -> str:
    """Return a row for each network, aligned."""
    width = max(len(size.name) for size in sizes)
    rows = [f"{'':{width}}  {'in training':>12}  {'deployed':>12}  {'classes':>8}"]
    for size in sizes:
        counts = f"{size.trained:12,}  {size.deployed:12,}  {size.num_classes:8,}"
        rows.append(f"{size.name:{width}}  {counts}")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command("sizes", __doc__, _sizes, arguments, add_json, lasting=("stdout", "stderr"))


def _sizes(config: Config, options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from training.plan import read_deployed_plan

    plan = read_deployed_plan(config)
    built = tqdm(network_sizes(plan), "networks", len(plan.model.networks), leave=False, delay=2)
    sizes = list(built)
    show(options, table(sizes), [asdict(size) for size in sizes])
    return 0


if __name__ == "__main__":
    sys.exit(main())
