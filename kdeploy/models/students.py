"""Students by family: of kdeploy (`shallow`, `compact`), or built by other code (`torch`, `timm`, `torchvision`,
`huggingface`).

A record keeps the family and the arguments that build a student again; its weights lie beside that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from kdeploy.models import pretrained, user_network
from kdeploy.models.compact import CompactStudent
from kdeploy.models.external_student import ExternalStudent, put_bottleneck
from kdeploy.models.seeding import drawn_from
from kdeploy.models.shallow import ShallowStudent
from kdeploy.models.weights import load_weights
from kdeploy.records.distill import Family, StudentNetwork

OurStudent = ShallowStudent | CompactStudent  # a chain of layers
OURS: tuple[Family, ...] = ("shallow", "compact")  # without code, and without a package, of anybody else's


class StudentOptions(NamedTuple):
    """A student as a recipe asks for it: its family, and the arguments of that besides those that the data give.

    Of `shallow` and `compact` these are the arguments of their classes; of the others `name`, `args`, `pretrained` and
    `bottleneck`, a layer's name with a rank, or None.
    """

    family: Family
    arguments: Mapping[str, Any]


def described(
    options: StudentOptions, *, shape: Sequence[int], classes: int, mean: Sequence[float], std: Sequence[float]
) -> StudentNetwork:
    """What builds such a student for some data.

    Args:
        shape: of one sample.
        mean, std: per channel of the data; a network with published weights reads what its publisher says.
    Raises: MissingError when a package, or what it would download, is not here; ModelError for an unknown name.
    """
    family, arguments = options
    match family:
        case "timm" | "torchvision" | "huggingface" as package if arguments["pretrained"]:
            expected = pretrained.expects(package, arguments["name"])
            if expected["mean"] is not None and len(expected["mean"]) == shape[0]:
                mean, std = expected["mean"], expected["std"]
    given = {"shape": list(shape), "classes": classes, **arguments, "mean": list(mean), "std": list(std)}
    return StudentNetwork(family=family, arguments=given)


def seeded(network: StudentNetwork, seed: int) -> nn.Module:
    """A student whose initial weights depend on the seed and, where they are published ones, on these.

    Raises: as the family's package, or the user's code, does.
    """
    with drawn_from(seed):
        return _built(network, published=bool(network.arguments.get("pretrained")))


def load(path: Path, network: StudentNetwork) -> nn.Module:
    """A trained student, in evaluation mode.

    Args:
        path: of its weights.
        network: what it was built from, as its record has it.
    Raises: ModelError when the weights are not those of such a student.
    """
    with drawn_from(0):
        student = _built(network, published=False)
    load_weights(student, path)
    return student.eval()


def _built(network: StudentNetwork, *, published: bool) -> nn.Module:
    match network.family:
        case "shallow":
            return ShallowStudent(**network.arguments)
        case "compact":
            return CompactStudent(**network.arguments)
    arguments = network.arguments
    net = _net(network, published=published)
    if (bottleneck := arguments["bottleneck"]) is not None:
        put_bottleneck(net, bottleneck["layer"], bottleneck["rank"], arguments["name"])
    return ExternalStudent(net, mean=arguments["mean"], std=arguments["std"], axes=len(arguments["shape"]) + 1)


def _net(network: StudentNetwork, *, published: bool) -> nn.Module:
    """The network alone, as its package or the user's function gives it."""
    name, more = network.arguments["name"], network.arguments["args"]
    classes, shape = network.arguments["classes"], network.arguments["shape"]
    match network.family:
        case "timm" | "torchvision" | "huggingface" as package:
            return pretrained.student(package, pretrained.Wanted(name, more, classes, shape, published))
    return user_network.build(name, more)
