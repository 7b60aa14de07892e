"""What people and programs open: the `cs` command, later the HTTP API and pages."""
