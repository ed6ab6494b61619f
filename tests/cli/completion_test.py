"""Completion: what the program offers, and that the shells' scripts ask for it. Run as `completion_test.py PATH-OF-cvf [unittest options]`."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

CVF = os.path.abspath(sys.argv.pop(1))


def offered(*words):
    """The possibilities for the last word, without what is said of them."""
    out = subprocess.run([CVF, "complete", *words], capture_output=True, text=True, check=True).stdout
    return [line.split("\t")[0] for line in out.splitlines()]


class Words(unittest.TestCase):
    def test_verbs_come_first_and_hidden_ones_not_at_all(self):
        self.assertEqual(offered("wa"), ["watch"])
        verbs = offered("")
        for verb in ("up", "read", "query", "get", "token", "completion", "version"):
            self.assertIn(verb, verbs)
        self.assertNotIn("schema", verbs)
        self.assertEqual(offered("--he"), ["--help"])

    def test_each_verb_has_its_own_options(self):
        self.assertEqual(offered("read", "--ty"), ["--types"])
        self.assertEqual(offered("query", "--si"), ["--since"])
        self.assertEqual(offered("apply", "--dr"), ["--dry-run"])
        self.assertEqual(offered("get", "--sel"), ["--selector"])
        self.assertEqual(offered("token", "--ro"), ["--role"])
        self.assertEqual(offered("read", "--listen"), [])
        self.assertIn("--output-rotate-size", offered("up", ""), "a verb without arguments has nothing but options to offer")

    def test_values_are_offered_where_they_are_known(self):
        self.assertEqual(offered("up", "--format", ""), ["table", "json"])
        self.assertEqual(offered("up", "--format=j"), ["--format=json"])
        self.assertEqual(offered("up", "--format", "=", "j"), ["json"], "as bash takes it apart")
        self.assertEqual(offered("up", "--format", "="), ["table", "json"])
        self.assertEqual(offered("up", "--types", "dns,ht"), ["dns,http"])
        self.assertEqual(offered("read", "--fields", "url.pa"), ["url.path"])
        self.assertEqual(offered("query", "--p99", "event.dur"), ["event.duration"])
        self.assertEqual(offered("query", "--by", "url.path,url.que"), ["url.path,url.query"])
        self.assertEqual(offered("token", "--role", "v"), ["viewer"])
        self.assertEqual(offered("get", "no"), ["nodes"])
        self.assertEqual(offered("get", "-o", "y"), ["yaml"])
        self.assertEqual(offered("get", "-o", "yaml", "no"), ["nodes"])
        self.assertEqual(offered("apply", "--dry-run=s"), ["--dry-run=server"])
        self.assertEqual(offered("apply", "--dry-run", "=", "cl"), ["client"], "as bash takes it apart")
        self.assertNotIn("client", offered("apply", "--dry-run", ""), "its value stands behind an equals sign")
        self.assertEqual(offered("completion", ""), ["bash", "zsh", "fish"])

    def test_where_a_file_or_any_text_belongs_nothing_is_offered(self):
        for words in (("read", ""), ("read", "a.pcap", ""), ("up", "--output", ""), ("up", "--output="), ("get", "nodes", ""), ("watch", ""), ("nonsense", ""), ("nonsense", "--x")):
            self.assertEqual(offered(*words), [], words)


def script(shell):
    return subprocess.run([CVF, "completion", shell], capture_output=True, text=True, check=True).stdout


class Shells(unittest.TestCase):
    def run_in(self, shell, commands, before="true"):
        if not shutil.which(shell):
            self.skipTest(f"no {shell} here")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "completion")
            with open(path, "w") as f:
                f.write(script(shell))
            environment = {**os.environ, "PATH": os.path.dirname(CVF) + ":" + os.environ["PATH"], "HOME": folder}
            done = subprocess.run([shell, "-c", f"{before}\nsource {path}\n{commands}"], capture_output=True, text=True, env=environment, cwd=folder, timeout=60)
        self.assertEqual(done.stderr, "")
        return done.stdout.split("\n")[:-1]

    def test_bash_gets_its_words(self):
        call = "_cvf; printf '%s\\n' \"${COMPREPLY[@]}\""
        self.assertEqual(self.run_in("bash", f"COMP_WORDS=(cvf up --types dns,ht) COMP_CWORD=3; {call}"), ["dns,http"])
        self.assertEqual(self.run_in("bash", f"COMP_WORDS=(cvf '') COMP_CWORD=1; {call}")[:2], ["up", "agent"])
        self.assertEqual(self.run_in("bash", f"COMP_WORDS=(cvf read '') COMP_CWORD=2; {call}"), [""])
        self.assertEqual(self.run_in("bash", "complete -p cvf"), ["complete -o default -F _cvf cvf"])

    def test_fish_gets_its_words_with_what_they_are(self):
        found = self.run_in("fish", "complete -C 'cvf up --types dns,ht'")
        self.assertEqual([line.split("\t")[0] for line in found], ["dns,http"])
        self.assertIn("\t", found[0])
        self.assertIn("read", [line.split("\t")[0] for line in self.run_in("fish", "complete -C 'cvf '")])

    def test_zsh_gets_its_words_with_what_they_are(self):
        compinit = "autoload -Uz compinit && compinit -u"
        self.assertEqual(self.run_in("zsh", "print $_comps[cvf]", compinit), ["_cvf"])
        # What the completion system would be given.
        ask = "_describe() { print -l -- ${(P)2} }; _files() { print files }; words=(%s) CURRENT=%d; _cvf"
        found = self.run_in("zsh", ask % ("cvf up --types dns,ht", 4), compinit)
        self.assertEqual([line.split(":")[0] for line in found], ["dns,http"])
        self.assertIn("read:Turn captures into records", self.run_in("zsh", ask % ("cvf ''", 2), compinit))
        self.assertEqual(self.run_in("zsh", ask % ("cvf read ''", 3), compinit), ["files"])

    def test_another_shell_is_wrong_use(self):
        done = subprocess.run([CVF, "completion", "tcsh"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("bash, zsh and fish", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
