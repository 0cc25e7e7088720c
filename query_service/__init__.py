"""query_service: carries out statements."""
