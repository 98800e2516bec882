from wcse_jax.store import digests


def test_the_digest_is_that_of_sha256sum(tmp_path):
  path = tmp_path / 'x'
  path.write_bytes(b'abc')
  assert digests.sha256(path) == (
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  )
