"""The workdir: the only writer of artifacts, checkpoints apart.

Every file is written beside its place, fsynced and renamed, so a kill at any
moment leaves the old state or the new one. A stage is a folder of Parquet parts
and JSON files; its _MANIFEST.json is written last, so its presence means that
the stage is complete. Parts carry the identity of their stage (its spec, the
fingerprints upstream, its version), so rows of two settings never mix.

A pool (`sample/*`, `verify/*`) grows: its spec says only what determines a row,
never how many; read `read_parts`, write what is missing, `finish` again.
"""

from wcse_jax.store.files import StoreError as StoreError
from wcse_jax.store.files import commit as commit
from wcse_jax.store.files import read_config as read_config
from wcse_jax.store.files import read_json as read_json
from wcse_jax.store.files import write_json as write_json
from wcse_jax.store.manifests import check as check
from wcse_jax.store.manifests import discard as discard
from wcse_jax.store.manifests import owner as owner
from wcse_jax.store.stage import Stage as Stage
from wcse_jax.store.stage import fingerprint as fingerprint
from wcse_jax.store.stage import flat as flat
from wcse_jax.store.tables import EXAMPLES as EXAMPLES
from wcse_jax.store.tables import PROBLEMS as PROBLEMS
from wcse_jax.store.tables import SAMPLES as SAMPLES
from wcse_jax.store.tables import VERDICTS as VERDICTS
from wcse_jax.store.tables import from_table as from_table
from wcse_jax.store.tables import to_table as to_table
from wcse_jax.store.workdir import Store as Store
