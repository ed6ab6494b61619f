"""The verbs for directives and nodes, as someone who knows kubectl would use them. Run as `management_test.py PATH-OF-cvf [unittest options]`."""
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

CVF = os.path.abspath(sys.argv.pop(1))


def document(name, kind="Metadata", team="shop", types="http"):
    return f"apiVersion: cvf/v1\nkind: {kind}\nmetadata: {{name: {name}, labels: {{team: {team}}}}}\nspec: {{types: [{types}]}}\n"


class Verbs(unittest.TestCase):
    """Each test has a folder, and asks `self.server`."""
    server = "http://127.0.0.1:1"  # nobody is there

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        return path

    def ask(self, *words, text=None, wanted=0):
        """Standard output and standard error."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CVF_")}
        done = subprocess.run([CVF, words[0], "--server", self.server, "--token-file", self.token, *words[1:]], input=text, capture_output=True, text=True,
                              env=environment, timeout=60)
        self.assertEqual(done.returncode, wanted, (words, done.stdout, done.stderr))
        return done.stdout, done.stderr

    @property
    def token(self):
        return os.path.join(self.folder, "token")


class WithoutServer(Verbs):
    def test_a_dry_run_of_the_client_asks_nobody(self):
        good, bad = self.write("good.yaml", document("web") + "---\n" + document("names", types="dns")), self.write("bad.yaml", document("web", types="htpt"))
        self.assertEqual(self.ask("apply", "--dry-run=client", "-f", good)[0], "metadata/web is valid (client dry run)\nmetadata/names is valid (client dry run)\n")
        _, said = self.ask("apply", "-f", bad, "--dry-run=client", wanted=2)
        self.assertIn("spec.types", said)
        self.ask("apply", "--dry-run=server", "-f", good, wanted=1)
        self.ask("apply", "--dry-run", "-f", good, wanted=1)
        _, said = self.ask("apply", "--dry-run=servr", "-f", good, wanted=2)
        self.assertIn("none, server and client", said)

    def test_of_a_folder_its_yaml_and_json_files_are_taken_by_name(self):
        self.write("d/b.yml", document("b"))
        self.write("d/c.json", json.dumps({"apiVersion": "cvf/v1", "kind": "Flow", "metadata": {"name": "c"}, "spec": {}}))
        self.write("d/a.yaml", document("a"))
        self.write("d/README.md", "not: a directive")
        self.write("d/deeper/e.yaml", document("e"))
        more = self.write("more.yaml", document("first"))
        names = lambda *words: re.findall(r"^(\S+) is valid", self.ask("apply", "--dry-run=client", *words)[0], re.MULTILINE)
        folder = os.path.join(self.folder, "d")
        self.assertEqual(names("-f", folder), ["metadata/a", "metadata/b", "flow/c"])
        self.assertEqual(names("-f", more, "-f", folder + "/"), ["metadata/first", "metadata/a", "metadata/b", "flow/c"])
        self.assertEqual(names("-f", more, "-f", os.path.join(folder, "a.yaml")), ["metadata/first", "metadata/a"])

        os.mkdir(os.path.join(self.folder, "empty"))
        _, said = self.ask("apply", "-f", os.path.join(self.folder, "empty"), "--dry-run=client", wanted=2)
        self.assertIn("there is no *.yaml, *.yml or *.json in it", said)

        # What is wrong in any of them is told with its file, all of it at once.
        self.write("d/bad.yaml", document("bad", types="htpt"))
        self.write("d/z.yaml", document("a"))
        _, said = self.ask("apply", "-f", folder, "--dry-run=client", wanted=2)
        self.assertIn(os.path.join(folder, "bad.yaml"), said)
        self.assertIn(f"{os.path.join(folder, 'z.yaml')}: Metadata/a stands in {os.path.join(folder, 'a.yaml')} already", said)

    def test_what_cannot_be_meant_is_wrong_use(self):
        for words, said in ((("get", "metadata", "flow/web"), "two forms"), (("get", "metadata/web", "web"), "KIND/NAME"), (("get", "metadata/"), "KIND/NAME"),
                            (("get", "/web"), "KIND/NAME"), (("get", "metadta/web"), "did you mean metadata?"), (("get", "directives/web"), "of which kind"),
                            (("get", "audit/web"), "no names"), (("get", "metadata", "web", "-l", "a=b"), "-l chooses"), (("get", "audit", "-l", "a=b"), "-l chooses"),
                            (("get", "metadata/a", "metadata/b", "-w"), "-w follows"), (("delete", "node/web"), "which?"), (("delete", "metadata"), "which?"),
                            (("edit", "metadata/a", "metadata/b"), "which one?"), (("describe", "nodes"), "which one?"), (("delete",), "of what?"),
                            (("delete", "metadata", "web", "-f", "x.yaml"), "not both")):
            with self.subTest(words=words):
                self.assertIn(said, self.ask(*words, wanted=2)[1])


class WithController(Verbs):
    """A controller on a bus within itself: no agent is there."""

    def setUp(self):
        super().setUp()
        self.controller = subprocess.Popen([CVF, "controller", "--bus", "local:", "--listen", "127.0.0.1:0", "--token-file", self.token,
                                            "--history-directory", os.path.join(self.folder, "history")], stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end)
        line = self.controller.stderr.readline()
        self.server = re.search(r"API at (\S+)", line).group(1)

    def end(self):
        self.controller.terminate()
        self.controller.wait(20)
        self.controller.stderr.close()

    def names(self, *words):
        return self.ask("get", *words, "-o", "name")[0].split()

    def test_what_apply_prints_names_directives(self):
        out, _ = self.ask("apply", "-f", "-", text="---\n".join([document("web"), document("names", types="dns"), document("talk", kind="Flow", types="flow").replace("types: [flow]", "")]))
        shown = [line.split()[0] for line in out.splitlines()]
        self.assertEqual(shown, ["metadata/web", "metadata/names", "flow/talk"])
        self.assertEqual(self.names(*shown), ["Metadata/web", "Metadata/names", "Flow/talk"])
        self.assertEqual(self.names("flow/talk"), ["Flow/talk"])
        self.assertEqual(self.names("metadata", "names", "web"), ["Metadata/names", "Metadata/web"])
        out, _ = self.ask("describe", *shown)
        self.assertEqual(re.findall(r"^  name: (\S+)", out, re.MULTILINE), ["web", "names", "talk"])
        # One that is not there does not hide the others.
        out, said = self.ask("get", "metadata/web", "metadata/none", "flow/talk", "-o", "name", wanted=1)
        self.assertEqual(out.split(), ["Metadata/web", "Flow/talk"])
        self.assertIn("none", said)
        out, _ = self.ask("delete", "metadata/none", "metadata/web", "flow/talk", wanted=1)
        self.assertEqual(out, "metadata/web deleted\nflow/talk deleted\n")
        self.assertEqual(self.names("directives"), ["Metadata/names"])
        self.assertEqual(self.ask("delete", "metadata", "names")[0], "metadata/names deleted\n")

    def test_labels_choose_directives(self):
        self.ask("apply", "-f", "-", text="---\n".join([document("a"), document("b", team="ops"), document("c", kind="Flow").replace("types: [http]", "")]))
        self.assertEqual(self.names("directives", "-l", "team=shop"), ["Flow/c", "Metadata/a"])
        self.assertEqual(self.names("metadata", "--selector", "team=shop"), ["Metadata/a"])
        self.assertEqual(self.names("directives", "-l", "team!=shop"), ["Metadata/b"])
        self.assertEqual(self.names("directives", "-l", "team!=shop,team=ops"), ["Metadata/b"])
        out, said = self.ask("get", "directives", "-l", "team=shop,team=ops")
        self.assertEqual((out, said), ("", "no directive has such labels\n"))
        _, said = self.ask("get", "directives", "-l", "team=(shop)", wanted=2)
        self.assertIn("KEY=VALUE", said)

    def test_a_dry_run_of_the_server_says_what_would_be(self):
        path = self.write("web.yaml", document("web"))
        for flag in ("--dry-run", "--dry-run=server"):
            self.assertEqual(self.ask("apply", flag, "-f", path)[0], "metadata/web created (server dry run)\n")
        self.assertEqual(self.names("directives"), [])
        self.assertEqual(self.ask("apply", "--dry-run=none", "-f", path)[0], "metadata/web created\n")
        self.assertEqual(self.ask("apply", "--dry-run", "-f", path)[0], "metadata/web unchanged (server dry run)\n")

    def test_waiting_for_nobody_ends_early_and_well(self):
        began = time.monotonic()
        out, said = self.ask("apply", "--wait", "--timeout", "50s", "-f", "-", text=document("web") + "---\n" + document("names", types="dns"))
        self.assertLess(time.monotonic() - began, 40, "it does not wait the whole time")
        self.assertEqual(said, "")
        for name in ("web", "names"):
            self.assertIn(f"metadata/{name}: it selects no agent now", out)


    def test_what_libpcap_does_not_take_is_refused_everywhere(self):
        text = "apiVersion: cvf/v1\nkind: Capture\nmetadata: {name: web}\nspec: {pcapFilter: '%s', limits: {duration: 1m}}\n"
        path = self.write("web.yaml", text % "tcp prot 443")
        wrong = "can't parse filter expression: syntax error"
        for flag in ("--dry-run=client", "--dry-run=none"):
            _, said = self.ask("apply", flag, "-f", path, wanted=2)
            self.assertIn("spec.pcapFilter", said)
            self.assertIn(wrong, said)
        with open(self.token) as f:
            token = f.read().strip()

        def post(target, kind, body):
            request = urllib.request.Request(self.server + target, body.encode(), {"Content-Type": kind, "Authorization": "Bearer " + token})
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()

        status, answer = post("/api/v1/directives", "application/yaml", text % "tcp prot 443")
        self.assertEqual(status, 422)
        self.assertEqual([problem["path"] for problem in json.loads(answer)["problems"]], ["spec.pcapFilter"])
        self.assertIn(wrong, answer)
        _, answer = post("/graphql", "application/json", json.dumps({
            "query": "mutation($d: String!) { applyDirective(document: $d) { change } }", "variables": {"d": text % "tcp prot 443"}}))
        self.assertIn(wrong, answer)
        self.assertEqual(self.names("directives"), [])
        status, answer = post("/api/v1/directives", "application/yaml", text % "tcp port 443")
        self.assertEqual(status, 200, answer)
        self.assertEqual(self.names("directives"), ["Capture/web"])


class Nodes(Verbs):
    """What the program asks of a server for nodes: how labels choose among them is the server's own affair, and its tests'."""

    def setUp(self):
        super().setUp()
        self.write("token", "secret\n")
        os.chmod(self.token, 0o600)
        asked = self.asked = []

        def answer(path):
            asked.append(path)
            target = urllib.parse.urlsplit(path)
            if target.path.startswith("/api/v1/nodes/"):
                name = target.path.rsplit("/", 1)[1]
                return {"name": name, "instance": "i1", "labels": {"zone": "a"}} if name != "none" else None
            return {"kind": "NodeList", "metadata": {}, "items": [{"name": "n1", "instance": "i1", "labels": {"zone": "a"}}]}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                document = answer(self.path)
                body = json.dumps(document or {"title": "Not found", "status": 404, "detail": "there is no such node"}).encode()
                self.send_response(200 if document else 404)
                self.send_header("Content-Type", "application/json" if document else "application/problem+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(lambda: (server.shutdown(), thread.join(), server.server_close()))
        self.server = f"http://127.0.0.1:{server.server_port}"

    def test_labels_choose_nodes(self):
        self.assertEqual(self.ask("get", "nodes", "-l", "zone=a,role!=db", "-o", "name")[0], "n1\n")
        target = urllib.parse.urlsplit(self.asked[-1])
        self.assertEqual(target.path, "/api/v1/nodes")
        self.assertEqual(urllib.parse.parse_qs(target.query)["labelSelector"], ["zone=a,role!=db"])

    def test_several_are_asked_for_by_name(self):
        self.assertEqual(self.ask("get", "node/n1", "nodes/n2", "-o", "name")[0], "n1\nn2\n")
        self.assertEqual(self.asked, ["/api/v1/nodes/n1", "/api/v1/nodes/n2"])
        out, said = self.ask("get", "node", "n1", "none", "n2", "-o", "name", wanted=1)
        self.assertEqual((out, said), ("n1\nn2\n", "cvf get: there is no such node\n"))
        out, said = self.ask("get", "node", "none", wanted=1)
        self.assertEqual((out, said), ("", "cvf get: there is no such node\n"))
        out, _ = self.ask("describe", "node/n1", "node/n2")
        self.assertEqual(re.findall(r"^name\s+(\S+)", out, re.MULTILINE | re.IGNORECASE), ["n1", "n2"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
