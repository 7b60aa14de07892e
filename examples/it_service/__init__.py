"""An incident log of a real IT service in the health system."""
