"""Rows as the data frames of pandas and polars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thanosql.errors import Unavailable

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow as pa


def make_pandas(table: pa.Table) -> pandas.DataFrame:
    """A pandas data frame; see `Result.to_pandas`."""
    import pandas as pd
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            table = table.set_column(place, field.with_type(pa.float64()), table.column(place).cast(pa.float64()))
    frame: pandas.DataFrame = table.to_pandas(date_as_object=False)
    kinds = {
        pa.bool_(): pd.BooleanDtype(),
        **{getattr(pa, name.lower())(): getattr(pd, f"{name}Dtype")() for name in _WHOLE},
    }
    for place, column in enumerate(table.columns):
        if column.null_count and column.type in kinds:
            # As an object or a float, as pandas would have it, a whole number above 2^53 would not be itself.
            frame.isetitem(place, column.to_pandas(types_mapper=kinds.get).array)
    return frame


_WHOLE = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")


def make_polars(table: pa.Table) -> polars.DataFrame:
    """A polars data frame.

    Raises:
        Unavailable: polars is not installed.
    """
    try:
        import polars
    except ImportError:
        raise Unavailable(
            "polars is not installed", hint="Install it, pip install polars, or take to_pandas()."
        ) from None
    frame = polars.from_arrow(table)
    assert isinstance(frame, polars.DataFrame)
    return frame
