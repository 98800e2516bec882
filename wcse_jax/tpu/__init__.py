"""Planning: what sampling and finetuning take of a TPU, told without one."""
