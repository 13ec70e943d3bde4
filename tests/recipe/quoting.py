"""PyYAML writes YAML 1.1, where `0E0` and `1e5` are words without quotes; a reader of 1.2 takes them for numbers."""

from __future__ import annotations

import yaml


class QuotingDumper(yaml.SafeDumper):
    """Writes every text in quotes, and a list that stands twice as two lists."""

    def ignore_aliases(self, data: object) -> bool:
        return True


QuotingDumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)
