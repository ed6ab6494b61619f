"""Two controllers stand side by side, and one is killed (-9) while directives are being changed and records come; then the other, too, and both
return.

May be lost: nothing. What either has taken is in force and seen by the other; agents go on without any; the trail of changes is whole; each
counts every record that agents have numbered.
"""
import json
import threading
import time
import urllib.error
import urllib.request

import faults
from faults import FaultTest, Listener, text_of, wait_until

DIRECTIVE = "apiVersion: cvf/v1\nkind: Flow\nmetadata: {name: %s}\nspec: {sample: 1/%d}\n"


class ControllersDie(FaultTest):
    def two(self, broker, names=("one", "two")):
        self.places = {}
        for name in names:
            process = self.controller(broker.url, name=name)
            self.places[name] = (self.api, self.token, process)

    def at(self, name):
        self.api, self.token, process = self.places[name]
        return process

    def request(self, method, path, body=None, **headers):
        """Status, headers and document of whatever is answered."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.api}{path}", method=method, data=body.encode() if body else None, headers={
            "Authorization": "Bearer " + text_of(self.token).strip(), "Content-Type": "application/yaml", **{k.replace("_", "-"): v for k, v in headers.items()}})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.headers, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, json.load(error)

    def names(self):
        return set(self.cvf("get", "flow", "-o", "name").split())

    def audit(self):
        return json.loads(self.cvf("get", "audit", "-o", "json"))["items"]

    def test_what_one_has_taken_the_other_knows_and_goes_on_with(self):
        broker = self.broker()
        self.two(broker)
        fleet = self.fleet("fleet", broker.url, "--agents", 3, "--rate", 900, "--seconds", 600)
        for name in ("one", "two"):
            self.at(name)
            self.assertTrue(wait_until(lambda: list(self.states().values()).count("ready") == 3, 20, 0.2), self.states())

        # Changed here, seen there, by the same revision.
        self.at("one")
        self.assertIn("3 active of 3 agents", self.cvf("apply", "-f", "-", "--wait", text=DIRECTIVE % ("shared", 2)))
        tag = self.request("GET", "/api/v1/directives/Flow/shared")[1]["ETag"]
        self.at("two")
        self.assertTrue(wait_until(lambda: self.request("GET", "/api/v1/directives/Flow/shared")[1]["ETag"] == tag, 10))
        self.assertIn("3 active of 3", self.cvf("get", "flow"))

        # Two change what they have read at the same revision: one of them wins, the other is told.
        answers = {}
        def change(name, sample):
            api, token, _ = self.places[name]
            body = (DIRECTIVE % ("shared", sample)).encode()
            request = urllib.request.Request(f"http://127.0.0.1:{api}/api/v1/directives/Flow/shared", method="PUT", data=body, headers={
                "Authorization": "Bearer " + text_of(token).strip(), "Content-Type": "application/yaml", "If-Match": tag})
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    answers[name] = answer.status
            except urllib.error.HTTPError as error:
                with error:
                    answers[name] = error.code
        writers = [threading.Thread(target=change, args=place) for place in (("one", 3), ("two", 5))]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        self.assertEqual(sorted(answers.values()), [200, 412], answers)
        winner = next(name for name, status in answers.items() if status == 200)
        for name in ("one", "two"):
            self.at(name)
            expected = "1/3" if winner == "one" else "1/5"
            self.assertTrue(wait_until(lambda: self.request("GET", "/api/v1/directives/Flow/shared")[2]["spec"]["sample"] == expected, 10))

        # Half a list from one, the other half from the other.
        for i in range(4):
            self.cvf("apply", "-f", "-", text=DIRECTIVE % (f"page-{i}", 2))
        self.at("one")
        first = self.request("GET", "/api/v1/directives?kind=Flow&limit=2")[2]
        self.at("two")
        self.assertTrue(wait_until(lambda: len(self.names()) == 5, 10))
        rest = self.request("GET", f"/api/v1/directives?kind=Flow&limit=10&continue={first['metadata']['continue']}")[2]
        self.assertEqual([d["metadata"]["name"] for d in first["items"] + rest["items"]], ["page-0", "page-1", "page-2", "page-3", "shared"])

        # One dies amid changes. What it had said is done, is done; the other goes on at once.
        self.at("one")
        said = []
        def keep_changing():
            for i in range(1000):
                status, _, _ = self.request("PUT", f"/api/v1/directives/Flow/busy-{i}", DIRECTIVE % (f"busy-{i}", 2))
                if status == 201:
                    said.append(f"Flow/busy-{i}")
        def until_it_dies():
            try:
                keep_changing()
            except (urllib.error.URLError, ConnectionError):
                pass
        changes = threading.Thread(target=until_it_dies)
        changes.start()
        self.assertTrue(wait_until(lambda: len(said) > 10, 20))
        self.places["one"][2].kill()
        changes.join()
        self.at("two")
        self.assertTrue(wait_until(lambda: set(said) <= self.names(), 10), set(said) - self.names())
        self.assertIn("3 active of 3 agents", self.cvf("apply", "-f", "-", "--wait", text=DIRECTIVE % ("after", 2)))
        for name in list(self.names()):
            kind, _, name = name.partition("/")
            self.cvf("delete", kind, name)

        # No controller at all: agents stay what they were told to be and go on publishing.
        self.cvf("apply", "-f", "-", "--wait", text=DIRECTIVE % ("lasting", 2))
        trail = [(e["object"], e["action"], e["outcome"]) for e in self.audit()]
        self.assertIn(("Flow/lasting", "apply", "created"), trail)
        self.places["two"][2].kill()
        self.places["two"][2].wait()
        listener = Listener(broker, keep_lines=False)
        listener.read(2)
        listener.close()
        self.assertGreater(len(listener.batches), 0)
        self.two(broker, ("three", "four"))
        for name in ("three", "four"):
            self.at(name)
            self.assertTrue(wait_until(lambda: "3 active of 3" in self.cvf("get", "flow"), 20, 0.2), self.cvf("get", "flow"))
            self.assertEqual(self.names(), {"Flow/lasting"})
            self.assertTrue(wait_until(lambda: trail[:20] == [(e["object"], e["action"], e["outcome"]) for e in self.audit()][:20], 10))
        self.end(fleet)
        self.assertEqual(self.sums("fleet")["lost"], 0)

    def test_a_directive_from_the_bus_is_dealt_with_once_and_every_record_is_counted_by_both(self):
        broker = self.broker()
        self.two(broker)
        fleet = self.fleet("fleet", broker.url, "--agents", 2, "--rate", 2000, "--seconds", 600)
        listener = Listener(broker, keep_lines=False)
        good, bad = (DIRECTIVE % ("foreign", 2)).encode(), b"apiVersion: cvf/v1\nkind: Flow\nmetadata: {name: bad}\nspec: {sampel: 1/2}\n"
        for text in (good, bad):
            listener.socket.sendall(b"PUB cvf.v1.directives %d\r\n%s\r\n" % (len(text), text))
        self.at("two")
        self.assertTrue(wait_until(lambda: "2 active of 2" in self.cvf("get", "flow"), 20, 0.2), self.cvf("get", "flow"))
        entries = lambda: [(e["object"], e["outcome"], e["from"], e.get("reason", "")) for e in self.audit() if e["from"] == "bus"]
        self.assertTrue(wait_until(lambda: len(entries()) >= 2, 10), entries())
        time.sleep(1)
        found = {(what, outcome) for what, outcome, _, _ in entries()}
        self.assertEqual(len(entries()), 2, entries())
        self.assertIn(("Flow/foreign", "created"), found)
        refused = [reason for _, outcome, _, reason in entries() if outcome == "refused"]
        self.assertTrue("sampel" in refused[0] and "sample" in refused[0], refused)

        self.end(fleet)
        sums = self.sums("fleet")
        listener.close()
        for name in ("one", "two"):
            self.at(name)
            self.assertTrue(wait_until(lambda: self.metrics()["cvf_controller_records_total"] >= sums["delivered"], 20, 0.2), (self.metrics(), sums))
            self.assertEqual(self.metrics()["cvf_controller_records_missing"], 0)


if __name__ == "__main__":
    faults.main("nats-server")
