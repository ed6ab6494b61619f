"""Two agents are alive under one name, as after the cloning of a machine.

May be lost: nothing. Both go on, their records can be told apart by instance, each says in its log that there is another, the controller
lists the name as doubled and has an audit entry, and directives reach both. When one ends the other is alone with its name again.
"""
import json
import time

import faults
from faults import FaultTest, Listener, Sequences, wait_until


class OneNameTwice(FaultTest):
    def test_it_is_told_by_all_and_costs_nothing(self):
        broker = self.broker()
        self.controller(broker.url)
        listener = Listener(broker, keep_lines=False)
        agents = [self.fleet(name, broker.url, "--node", "twin", "--rate", 200, "--seconds", 600) for name in ("one", "two")]
        self.assertTrue(wait_until(lambda: self.states().get("twin") == "doubled", 20, 0.2), self.states())
        for name in ("one", "two"):
            self.assertTrue(wait_until(lambda: "another agent is alive under the name twin" in self.said(name), 15), self.said(name))
        node = self.nodes()["twin"]
        self.assertEqual(len(node["namesakes"]), 1)
        self.assertNotEqual(node["namesakes"][0], node["instance"])
        self.assertTrue(wait_until(lambda: any("another agent is alive" in p for p in self.nodes()["twin"].get("problems", [])), 10))
        audit = json.loads(self.cvf("get", "audit", "-o", "json"))["items"]
        noticed = [entry for entry in audit if entry["object"] == "Node/twin"]
        self.assertEqual([entry["outcome"] for entry in noticed], ["doubled"])
        # A directive reaches both.
        self.cvf("apply", "-f", "-", "--wait", text="apiVersion: cvf/v1\nkind: Metadata\nmetadata: {name: flows}\nspec: {types: [flow]}\n")
        listener.read(2)
        before = Sequences(listener).of("flow")
        self.assertEqual(len(before), 2)
        # One ends in good order: nothing is left to be told of, and the other is not taken for ended.
        self.end(agents[1])
        self.assertTrue(wait_until(lambda: self.states()["twin"] == "ready", 20, 0.2), self.states())
        self.assertTrue(wait_until(lambda: "is gone" in self.said("one"), 25), self.said("one"))
        listener.read(0.5)
        self.end(agents[0])
        listener.read(1)
        listener.close()
        heard, made = Sequences(listener), sum(self.sums(name)["made"] for name in ("one", "two"))
        self.assertEqual(heard.holes("flow"), {})
        self.assertEqual(heard.count("flow"), made)

    def test_a_restarted_agent_is_not_taken_for_another(self):
        broker = self.broker()
        self.controller(broker.url)
        first = self.fleet("first", broker.url, "--node", "alone", "--rate", 100, "--seconds", 600)
        self.assertTrue(wait_until(lambda: self.states().get("alone") == "ready", 10, 0.2))
        first.kill()
        first.wait()
        self.fleet("second", broker.url, "--node", "alone", "--rate", 100, "--seconds", 600)
        end = time.monotonic() + 8
        while time.monotonic() < end:
            self.assertNotEqual(self.states().get("alone"), "doubled")
            time.sleep(0.5)
        self.assertNotIn("another agent", self.said("second"))


if __name__ == "__main__":
    faults.main("nats-server")
