"""Health: how each customer is doing, by week, month and quarter."""
