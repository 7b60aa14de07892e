"""What assets talk to: settings, storage, source databases."""
