"""`python -m wcse_jax.verify.certificate --task=NAME`."""

from wcse_jax.verify.certificate import certify

if __name__ == '__main__':
  certify.main()
