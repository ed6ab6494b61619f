"""A cluster of three NATS servers, of which one is killed (-9) under load: the one that the agents are connected to.

May be lost: nothing that the agents were not told of; what the killed server had confirmed and not passed on is at most one confirmation's
worth. Directives live on two servers, and a new one comes into force while the third is away.
"""
import os
import time

import faults
from faults import Broker, FaultTest, Listener, Sequences, free_port, wait_until


class OneOfThree(FaultTest):
    def test_a_server_killed_costs_nothing_and_directives_go_on(self):
        ports, routes = [free_port() for _ in range(3)], [free_port() for _ in range(3)]
        servers = []
        for i in range(3):
            os.makedirs(self.path(f"server{i}"))
            config = self.path(f"server{i}", "conf")
            with open(config, "w") as f:
                f.write(f'server_name: s{i}\ncluster {{ name: c, listen: "127.0.0.1:{routes[i]}", routes: [{", ".join(f"nats://127.0.0.1:{r}" for r in routes)}] }}\n')
            servers.append(Broker(self.path(f"server{i}"), "-c", config, port=ports[i]))
            self.addCleanup(servers[i].kill)
        all_of_them = ",".join(f"127.0.0.1:{p}" for p in ports)
        self.controller(f"nats://127.0.0.1:{ports[1]},127.0.0.1:{ports[2]}")
        listener = Listener(servers[2], keep_lines=False)
        fleet = self.fleet("fleet", "nats://" + all_of_them, "--agents", 3, "--rate", 3000, "--seconds", 600, "--spool", self.path("spool"))
        self.assertTrue(wait_until(lambda: list(self.states().values()).count("ready") == 3, 20, 0.2), self.states())
        self.cvf("apply", "-f", "-", "--wait", text="apiVersion: cvf/v1\nkind: Metadata\nmetadata: {name: flows}\nspec: {types: [flow]}\n")
        listener.read(1)
        servers[0].kill()
        listener.read(2)
        self.cvf("apply", "-f", "-", "--wait", text="apiVersion: cvf/v1\nkind: Metadata\nmetadata: {name: flows}\nspec: {types: [flow, dns]}\n")
        listener.read(3)
        servers[0].start()
        listener.read(3)
        self.end(fleet)
        listener.read(2)
        listener.close()
        sums, heard = self.sums("fleet"), Sequences(listener)
        self.assertEqual(sums["lost"], 0, sums)
        self.assertEqual(sums["given"], sums["delivered"], sums)
        missing = sum(heard.holes("flow").values())
        self.assertEqual(heard.count("flow") + missing, sums["made"], sums)
        self.assertLessEqual(missing, 3000 * 0.05, heard.holes("flow"))


if __name__ == "__main__":
    faults.main("nats-server")
