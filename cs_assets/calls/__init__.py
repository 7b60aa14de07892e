"""Calls: from the outbound-call database to customer portraits."""
