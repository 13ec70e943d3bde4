"""What pyproject.toml cannot say: `recipes/` lies beside the package, and inside of it once it is installed.

It goes into the wheel as `kdeploy/shipped_recipes/`, where `kdeploy.recipe.shipped` finds it.
"""

from setuptools import find_namespace_packages, setup

setup(
    packages=[*find_namespace_packages(include=["kdeploy*"]), "kdeploy.shipped_recipes"],
    package_dir={"kdeploy.shipped_recipes": "recipes"},
)
