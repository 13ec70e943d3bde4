"""A record that is a table by nature: plain rows, and a pandas DataFrame of them.

Columns say their unit: `_ns` nanoseconds, `bytes`, accuracies and agreements fractions of 1. What was not measured is
None in a row and missing in a DataFrame.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from kdeploy.errors import MissingError

if TYPE_CHECKING:
    import pandas

Row = dict[str, str | int | float | bool | None]


class Table:
    """Mixed into a record, gives it a conversion to a table."""

    @abstractmethod
    def to_rows(self) -> list[Row]:
        """The rows of the table, plain dicts with the same keys."""

    def to_pandas(self) -> pandas.DataFrame:
        """The rows of the table as a DataFrame; pandas is no dependency of kdeploy.

        Raises: MissingError without pandas.
        """
        try:
            import pandas
        except ImportError as exc:
            advice = "Install it with: pip install pandas. Without it, to_rows() gives the same as a list of dicts."
            raise MissingError("to_pandas", "must have pandas", got="it is not installed", advice=advice) from exc
        return pandas.DataFrame(self.to_rows())
