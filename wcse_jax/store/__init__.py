"""The workdir: the only writer of artifacts, checkpoints apart.

Every file is written beside its place, fsynced and renamed, so a kill at any
moment leaves the old state or the new one. A stage is a folder of Parquet parts
and JSON files; its MANIFEST.json is written last, so its presence means that
the stage is complete. Parts carry the identity of their stage (its spec, the
fingerprints upstream, its version), so rows of two settings never mix.

A pool (`sample/*`, `verify/*`) grows: its spec says only what determines a row,
never how many; read `read_parts`, write what is missing, `finish` again.
"""

from wcse_jax.store.files import StoreError, commit, read_json, write_json
from wcse_jax.store.stage import Stage, fingerprint
from wcse_jax.store.tables import (
  EXAMPLES,
  PROBLEMS,
  SAMPLES,
  VERDICTS,
  from_table,
  to_table,
)
from wcse_jax.store.workdir import Store

__all__ = [
  'EXAMPLES',
  'PROBLEMS',
  'SAMPLES',
  'VERDICTS',
  'Stage',
  'Store',
  'StoreError',
  'commit',
  'fingerprint',
  'from_table',
  'read_json',
  'to_table',
  'write_json',
]
