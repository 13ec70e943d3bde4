"""What an extra lacks is said with what to install, and a build that does not fit torch's with its index."""

from __future__ import annotations

import pytest

from kdeploy.verbs import extras
from kdeploy.verbs.extras import misfit, module_of


@pytest.mark.parametrize(
    ("package", "module"), [("PyYAML", "yaml"), ("huggingface_hub", "huggingface_hub"), ("no-such-package", "")]
)
def test_the_module_of_a_package(package: str, module: str) -> None:
    assert module_of(package) == module


@pytest.mark.parametrize(
    ("name", "torch", "version", "error", "words"),
    [
        ("torchvision", "2.13.0+cpu", "0.28.0+cpu", "", ""),
        ("torchvision", "2.13.0", "0.28.0", "", ""),
        ("timm", "2.13.0+cpu", "1.0.20", "", ""),
        (
            *("torchvision", "2.13.0+cpu", "0.28.0", "RuntimeError: operator torchvision::nms does not exist"),
            "torchvision 0.28.0 was not built for torch 2.13.0+cpu (RuntimeError: operator torchvision::nms does not "
            "exist). Install it with: pip install --force-reinstall --no-deps "
            "--index-url https://download.pytorch.org/whl/cpu torchvision",
        ),
        (
            *("torchvision", "2.13.0", "0.28.0+cu128", ""),
            "torchvision 0.28.0+cu128 was not built for torch 2.13.0. Install it with: pip install --force-reinstall "
            "--no-deps torchvision, from the index that pip has by itself",
        ),
        (
            *("timm", "2.13.0", "1.0.20", "ImportError: libGL.so.1"),
            "timm 1.0.20 is installed, and cannot be imported: ImportError: libGL.so.1",
        ),
    ],
)
def test_a_build_that_does_not_fit_is_said_with_its_index(
    name: str, torch: str, version: str, error: str, words: str
) -> None:
    assert misfit(name, torch, version, error) == words


def test_an_extra_that_is_not_here_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras.metadata, "requires", lambda _name: ['no-such-package>=1; extra == "speed"'])
    text = "Without no-such-package. Install it with: pip install 'kdeploy[speed]'"
    assert extras.examine() == [("speed", False, text)]
