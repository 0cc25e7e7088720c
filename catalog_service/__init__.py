"""catalog_service: tables, models, jobs and transcripts."""
