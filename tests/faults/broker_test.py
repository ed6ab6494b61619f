"""The broker is killed (-9) under load, is away for a while, and comes back over its store.

May be lost: nothing, as long as spool and memory have room for the time. What comes twice has its old numbers.
"""
import time
import unittest

import faults
from faults import AWAY, FaultTest, Listener, Sequences


class BrokerDies(FaultTest):
    def test_a_broker_killed_under_load_costs_nothing(self):
        broker = self.broker()
        # A foreign consumer: what the server has passed on to it is heard, what it had not is sent again.
        before = Listener(broker, keep_lines=False)
        fleet = self.fleet("fleet", broker.url, "--agents", 3, "--rate", 6000, "--burst", 5, "--seconds", 600, "--spool", self.path("spool"), "--memory", "4MiB")
        before.read(2)
        broker.kill()
        before.read(1)
        before.close()
        time.sleep(AWAY)
        with self.frozen(fleet):
            broker.start()
            after = Listener(broker, keep_lines=False)
        after.read(6)
        self.end(fleet)
        after.read(3)
        after.close()
        sums, heard = self.sums("fleet"), Sequences(before, after)
        self.assertEqual(sums["lost"], 0, sums)
        self.assertEqual(sums["delivered"], sums["given"], sums)
        # The server says that it has a record before it has passed it on, and dies with what it had: at most what one confirmation
        # covers, and counted as delivered, which it was. A durable stream (JetStream, Kafka) is for those who can't have that.
        missing = sum(heard.holes("flow").values())
        self.assertEqual(heard.count("flow") + missing, sums["made"], sums)
        self.assertLessEqual(missing, 6000 * 0.05, heard.holes("flow"))

    def test_a_memory_that_is_too_small_for_the_time_without_a_spool_loses_what_it_says(self):
        broker = self.broker()
        before = Listener(broker, keep_lines=False)
        fleet = self.fleet("fleet", broker.url, "--rate", 5000, "--seconds", 600, "--memory", "1MiB")
        before.read(1)
        broker.kill()
        before.read(1)
        before.close()
        time.sleep(2)
        with self.frozen(fleet):
            broker.start()
            after = Listener(broker, keep_lines=False)
        after.read(4)
        self.end(fleet)
        after.read(2)
        after.close()
        sums, heard = self.sums("fleet"), Sequences(before, after)
        self.assertGreater(sums["lost"], 0, sums)
        self.assertEqual(sums["given"], sums["delivered"] + sums["lost"], sums)
        missing = sum(heard.holes("flow").values())
        # Each hole in the numbers is a record that the agent says it has lost, but for what the server died with.
        self.assertGreaterEqual(missing, sums["lost"], sums)
        self.assertLessEqual(missing - sums["lost"], 5000 * 0.05, sums)


if __name__ == "__main__":
    faults.main("nats-server")
