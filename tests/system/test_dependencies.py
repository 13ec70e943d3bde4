"""An import that fails for a package of kdeploy's own becomes a sentence; any other stays what it is."""

from __future__ import annotations

from kdeploy.system.dependencies import dependencies, missing_dependency


def test_a_module_of_a_package_that_is_not_here_says_what_to_install():
    error = missing_dependency(ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"))
    assert error is not None
    assert error.exit_code == 7
    assert str(error) == (
        "package 'torch': must be installed for this (this environment has a part of kdeploy's dependencies only). "
        "Install the others with: pip install kdeploy"
    )


def test_what_is_no_dependency_of_kdeploy_stays_a_bug():
    assert missing_dependency(ModuleNotFoundError("No module named 'timm'", name="timm")) is None
    assert missing_dependency(ModuleNotFoundError("No module named 'kdeploy.gone'", name="kdeploy.gone")) is None
    assert missing_dependency(ModuleNotFoundError("nameless")) is None
    assert missing_dependency(ImportError("cannot import", name="torch")) is None


def test_the_dependencies_are_those_of_no_extra():
    assert {"torch", "matplotlib", "openvino", "onnx", "pyyaml"} <= dependencies()
    assert not {"timm", "mlxtend", "pytest"} & dependencies()


def test_without_metadata_nothing_is_known(monkeypatch):
    from importlib import metadata

    def absent(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", absent)
    assert dependencies() == set()
