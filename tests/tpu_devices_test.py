"""A TPU VM's worker, told from a made-up PCI tree and metadata server."""

import http.server
import threading

import pytest

from wcse_jax.tpu import devices


@pytest.fixture
def tpu(tmp_path, monkeypatch):
  """Returns a function that makes this machine a worker of a slice."""
  for name in ('JAX_PLATFORMS', 'TPU_SKIP_MDS_QUERY', 'TPU_PROCESS_BOUNDS'):
    monkeypatch.delenv(name, raising=False)
  for name in (
    'TPU_CHIPS_PER_PROCESS_BOUNDS',
    'TPU_WORKER_HOSTNAMES',
    'TPU_WORKER_ID',
  ):
    monkeypatch.setenv(name, '')  # so that they are restored
    monkeypatch.delenv(name)
  monkeypatch.setattr(devices, '_PCI', tmp_path)
  servers = []

  def make(chips=4, attributes=None, device='0x0063', libtpu=True):
    for i in range(chips):
      folder = tmp_path / f'0000:00:0{i}.0'
      folder.mkdir(exist_ok=True)
      (folder / 'vendor').write_text('0x1ae0\n')
      (folder / 'device').write_text(f'{device}\n')
    spec = object() if libtpu else None
    monkeypatch.setattr(devices.importlib.util, 'find_spec', lambda name: spec)
    server = http.server.HTTPServer(
      ('127.0.0.1', 0), _handler(attributes or {})
    )
    threading.Thread(
      target=server.serve_forever, args=[0.01], daemon=True
    ).start()
    servers.append(server)
    monkeypatch.setenv('GCE_METADATA_IP', f'127.0.0.1:{server.server_port}')

  yield make
  for server in servers:
    server.shutdown()
    server.server_close()


def _handler(attributes):
  class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
      key = self.path.rpartition('/')[2]
      known = key in attributes and self.headers['Metadata-Flavor'] == 'Google'
      self.send_response(200 if known else 404)
      self.end_headers()
      self.wfile.write(attributes.get(key, '').encode())

    def log_message(self, *_):
      pass

  return Handler


SLICE = {
  'worker-network-endpoints': 'a:0:10.0.0.1,b:1:10.0.0.2,c:2:10.0.0.3',
  'agent-worker-number': '1',
}


def test_a_machine_without_a_tpu_is_left_alone(tpu):
  tpu(chips=0, libtpu=False)
  devices.check()
  assert devices.chips() == 0
  assert devices._flags() == ''


def test_another_google_device_is_no_tpu(tpu):
  tpu(chips=1, device='0x0042', libtpu=False)  # a network card
  devices.check()


def test_without_libtpu_it_does_not_fall_back_to_the_cpu(tpu, monkeypatch):
  tpu(chips=4, libtpu=False)
  with pytest.raises(devices.DeviceError, match=r'4 TPU chips.*EXTRA=tpu'):
    _one_line(devices.check)
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
  devices.check()  # asked for


def test_a_single_host_is_left_alone(tpu):
  tpu(chips=8, attributes={'worker-network-endpoints': 'a'})
  devices.check()
  assert devices.worker() == devices.Worker(0, 1)


def test_one_worker_alone_is_told_instead_of_waiting(tpu):
  tpu(attributes=SLICE)
  with pytest.raises(devices.DeviceError, match=r'worker 1 of 3.*replicas=3'):
    _one_line(devices.check)
  with pytest.raises(devices.DeviceError, match='--replicas=3 --replica=1'):
    devices.check(replicas=2)
  assert devices._flags() == '--replicas=3 --replica=1'


def test_an_accelerator_is_told_by_its_files_and_jax_plugins(
  tpu, monkeypatch, tmp_path
):
  dev, plugins = tmp_path / 'dev', []
  dev.mkdir()
  monkeypatch.setattr(devices, '_DEV', dev)
  monkeypatch.setattr(
    devices.metadata, 'entry_points', lambda *, group: plugins
  )
  tpu(chips=0)
  (dev / 'nvidiactl').write_text('')
  assert devices.accelerator() == devices.idle_gpu() == ''
  plugins.append('xla_cuda12')
  assert devices.accelerator() == devices.idle_gpu() == ''
  (dev / 'nvidia0').write_text('')
  assert devices.accelerator().endswith('nvidia0')
  assert not devices.idle_gpu()
  plugins.clear()
  assert not devices.accelerator(), 'JAX would not see it'
  assert devices.idle_gpu().endswith('nvidia0')
  tpu(chips=4)
  assert devices.accelerator() == 'a TPU'
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
  assert not devices.accelerator(), 'asked for'


def test_replicas_see_their_own_host_alone(tpu):
  tpu(attributes=SLICE)
  devices.check(replicas=3)
  environ = devices.os.environ
  assert environ['TPU_PROCESS_BOUNDS'] == '1,1,1'
  assert environ['TPU_CHIPS_PER_PROCESS_BOUNDS'] == '2,2,1'
  assert devices.worker() == devices.Worker(0, 1)
  devices.check()  # now it is a host like any other


def test_replicas_that_are_together_see_the_whole_slice(tpu):
  tpu(attributes=SLICE)
  before = dict(devices.os.environ)
  devices.check(replicas=3, together=True)
  assert dict(devices.os.environ) == before
  with pytest.raises(devices.DeviceError, match='--replicas=3 --replica=1'):
    devices.check(replicas=2, together=True)


def test_the_environment_tells_where_there_is_no_metadata(tpu, monkeypatch):
  tpu()
  monkeypatch.setenv('TPU_WORKER_HOSTNAMES', 'a,b')
  monkeypatch.setenv('TPU_WORKER_ID', '1')
  assert devices.worker() == devices.Worker(1, 2)


def _one_line(call):
  try:
    call()
  except devices.DeviceError as error:
    raise devices.DeviceError(str(error).replace('\n', ' ')) from None
