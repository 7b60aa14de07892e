"""What is computed: one folder per system, and what all of them share."""
