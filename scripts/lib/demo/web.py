"""The demo's view of the example backend: JSON over HTTP."""
import json
import urllib.error
import urllib.request

from processes import Failed


class Backend:
    def __init__(self, url):
        self.url = url

    def _ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Failed(f"{request.get_method()} {path}: {error.code} {error.read().decode(errors='replace').strip()}")
        except OSError as error:
            raise Failed(f"{request.get_method()} {path}: {error}")

    def post(self, path, body):
        """The tasks that the request became."""
        return self._ask(path, body)["tasks"]

    def task(self, task_id):
        return self._ask(f"/tasks/{task_id}")
