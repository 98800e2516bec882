"""TPUs that are not at hand: what a chip can do, and topologies to compile for.

The figures are Google's: https://cloud.google.com/tpu/docs/system-architecture-tpu-vm
"""
