"""The rows of LIST THANOSQL MODEL and LIST THANOSQL DATASET."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from query_service.planning.prebuilt import NAMED_HERE
from query_service.planning.steps import ShowDatasets, ShowPrebuiltModels
from query_service.running.arrow import make_rows
from thanosql.types import BaseModel, Dataset, Model, Rows


def prebuilt_rows(bases: Sequence[BaseModel], models: Sequence[Model]) -> Rows:
    """The pre-built models, where they come from, and the models of this workspace that were made of each."""
    by_name = {base.name: base for base in bases}
    named_here = [
        replace(by_name[base], name=name, description=f"The tutorial's: {by_name[base].description}")
        for name, base in NAMED_HERE.items()
        if base in by_name
    ]
    rows = []
    for base in (*bases, *named_here):
        if base.name in NAMED_HERE:
            made = [model.name for model in models if model.name == base.name]
        else:
            # A trained model has the class of its base too, and a word error rate besides.
            made = [m.name for m in models if m.class_name == base.name and m.wer is None and m.name not in NAMED_HERE]
        shown = ", ".join(sorted(made)) or None
        rows.append((base.name, base.language, base.source.value, base.checkpoint, shown, base.description))
    return make_rows(dict.fromkeys(ShowPrebuiltModels.COLUMNS, pa.string()), rows)


def dataset_rows(datasets: Sequence[Dataset]) -> Rows:
    """The data sets, and whether they stand in the workspace."""
    columns = dict.fromkeys(ShowDatasets.COLUMNS, pa.string()) | {"is_there": pa.bool_()}
    return make_rows(columns, [(each.name, each.path, each.is_there, each.description) for each in datasets])
