"""A server of the OpenAI protocol that answers as a test says."""

import collections
import contextlib
import hashlib
import http.server
import json
import threading
import time

MODEL = 'small'


class Server:
  """A server in threads of this process.

  Attributes:
    url: Of its API.
    asked: Bodies of all requests for completions, in order.
    sent: Of each prompt, how many samples were answered.
    tokens: Sampled for those answers.
    faults: What happens to the next requests instead of an answer: a status,
      (status, Retry-After), 'stall', 'cut', 'cut without length', 'trickle',
      or a body.
    delay_s: Before each answer.
    stall_s: Before nothing is answered.
    key: Which it wants; '' is none.
    fields: Of the config of a run that asks it, for its tests.
  """

  def __init__(self, complete=None):
    """Readies it.

    Args:
      complete: Returns the answer to a body; None is `completion`. It may ask
        another server, which this one then stands before.
    """
    self.asked, self.sent, self.tokens = [], collections.Counter(), 0
    self.headers, self._complete = [], complete or completion
    self.faults, self.delay_s, self.key = [], 0.0, ''
    self.fields, self.stall_s = {}, 5.0
    self._lock = threading.Lock()
    server = self

    class Handler(http.server.BaseHTTPRequestHandler):
      protocol_version = 'HTTP/1.1'

      def log_message(self, *_):
        pass

      def do_GET(self):
        if server._refused(self):
          return
        server._send(self, 200, {'data': [{'id': MODEL}, {'id': 'other'}]})

      def do_POST(self):
        length = int(self.headers['content-length'])
        body = json.loads(self.rfile.read(length))
        if not server._refused(self):
          with contextlib.suppress(OSError):  # who asked is gone
            server._answer(self, body)

    self._http = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    self._http.daemon_threads = True
    self.url = f'http://127.0.0.1:{self._http.server_port}/v1'

  def __enter__(self):
    threading.Thread(target=self._http.serve_forever, daemon=True).start()
    return self

  def __exit__(self, *_):
    self._http.shutdown()
    self._http.server_close()

  def _refused(self, handler):
    self.headers.append(dict(handler.headers))
    if self.key and handler.headers['authorization'] != f'Bearer {self.key}':
      self._send(handler, 401, {'error': 'no such key'})
      return True
    return False

  def _answer(self, handler, body):
    with self._lock:
      self.asked.append(body)
      fault = self.faults.pop(0) if self.faults else None
    time.sleep(self.delay_s)
    if fault == 'stall':
      time.sleep(self.stall_s)
      return None
    if fault == 'cut':
      handler.send_response(200)
      handler.send_header('content-length', '1000')
      handler.end_headers()
      handler.wfile.write(b'{"choices": [')
      handler.close_connection = True
      return None
    if fault == 'cut without length':
      handler.send_response(200)
      handler.end_headers()
      handler.wfile.write(b'{"choices": [')
      handler.close_connection = True
      return None
    if fault == 'trickle':
      data = json.dumps(self._complete(body)).encode()
      handler.send_response(200)
      handler.send_header('content-length', str(len(data)))
      handler.end_headers()
      for i in range(0, len(data), 10):
        handler.wfile.write(data[i : i + 10])
        time.sleep(0.1)
      return None
    if isinstance(fault, int):
      return self._send(handler, fault, {'error': f'fault {fault}'})
    if isinstance(fault, tuple):
      status, after = fault
      return self._send(handler, status, {}, {'retry-after': after})
    answer = self._complete(body) if fault is None else fault
    if fault is None:
      prompt = body.get('prompt') or body['messages'][0]['content']
      with self._lock:
        self.sent[prompt] += len(answer['choices'])
        self.tokens += answer['usage']['completion_tokens']
    self._send(handler, 200, answer)
    return None

  def _send(self, handler, status, body, headers=()):
    data = json.dumps(body).encode()
    handler.send_response(status)
    for name, value in dict(headers).items():
      handler.send_header(name, value)
    handler.send_header('content-length', str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def completion(body, n=None):
  """An answer: a number that the prompt decides, which is mostly wrong.

  As a judge it says yes or no; the prompt decides, too.
  """
  chat = 'messages' in body
  prompt = body['messages'][0]['content'] if chat else body['prompt']
  digest = hashlib.sha256(prompt.encode()).hexdigest()
  text = f' 1+1=2. The answer is {int(digest[:4], 16) % 50}.'
  if prompt.endswith('Is every step right?'):
    text = ('Yes, it is.', 'No.')[int(digest[:4], 16) % 2]
  choices = [
    {'message': {'content': text}} if chat else {'text': text}
    for _ in range(n or body.get('n', 1))
  ]
  for choice in choices:
    choice['finish_reason'] = 'stop'
  usage = {'prompt_tokens': 20, 'completion_tokens': 10 * len(choices)}
  return {'choices': choices, 'usage': usage}
