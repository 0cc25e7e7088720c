"""trainer_service: fine-tunes and exports models."""
