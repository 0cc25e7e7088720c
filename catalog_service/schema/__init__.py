"""The metadata: models, jobs and transcripts in a relational database."""
