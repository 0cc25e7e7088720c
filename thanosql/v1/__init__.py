"""Generated from protos/thanosql/v1 by `python -m thanosql.v1.generate`; not edited by hand."""
