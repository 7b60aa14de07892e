"""What is computed: one folder per system, and what all of them share."""

import gc

# Building tables, jobs and queries allocates many small objects and few cycles: by default Python
# spends a tenth of a run looking for garbage. Set here, as every process imports this.
gc.set_threshold(50_000, 10, 10)
