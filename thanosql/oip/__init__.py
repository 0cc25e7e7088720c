"""The Open Inference Protocol: generated from protos/thanosql/oip by `python -m thanosql.v1.generate`; not edited.

The messages live in a descriptor pool of their own (see `thanosql.v1.generate`), so that tritonclient, which defines
messages of the same names, can be imported into the same process.
"""
