"""The agent is killed (-9) under load, with the broker there and with it away.

May be lost: with the broker there what was under way (nothing behind it has come, so there is no hole); with it away what was not on disk
yet, which is what came in the last second or two and what memory held when the broker went. What is in the spool comes with the next
life, under the numbers of the former.
"""
import time

import faults
from faults import FaultTest, Listener, Sequences


class AgentDies(FaultTest):
    def test_killed_with_the_broker_there_its_numbers_have_no_hole(self):
        broker = self.broker()
        listener = Listener(broker, keep_lines=False)
        fleet = self.fleet("fleet", broker.url, "--agents", 2, "--rate", 4000, "--seconds", 600, "--spool", self.path("spool"))
        listener.read(3)
        fleet.kill()
        fleet.wait()
        listener.read(1)
        first = Sequences(listener).of("flow")
        self.assertEqual(len(first), 2)
        again = self.fleet("again", broker.url, "--agents", 2, "--rate", 4000, "--seconds", 600, "--spool", self.path("spool"))
        listener.read(3)
        self.end(again)
        listener.read(1)
        listener.close()
        heard = Sequences(listener)
        self.assertEqual(heard.holes("flow"), {})
        self.assertEqual(len(heard.of("flow")), 4)  # each life its own numbers
        for stream, numbers in first.items():
            self.assertGreater(len(numbers), 4000)  # of 2 × 2000 a second for three seconds

    def test_killed_with_the_broker_away_what_was_on_disk_comes_with_the_next_life(self):
        broker = self.broker()
        before = Listener(broker, keep_lines=False)
        fleet = self.fleet("fleet", broker.url, "--node", "n", "--rate", 2000, "--seconds", 600, "--spool", self.path("spool"), "--memory", "1MiB")
        before.read(1)
        broker.kill()
        before.read(1)
        before.close()
        time.sleep(6)
        fleet.kill()
        fleet.wait()
        broker.start()
        after = Listener(broker, keep_lines=False)
        again = self.fleet("again", broker.url, "--node", "n", "--rate", 0, "--seconds", 600, "--spool", self.path("spool"), "--memory", "1MiB")
        after.read(6)
        self.end(again)
        after.read(1)
        after.close()
        heard = Sequences(before, after)
        streams = heard.of("flow")
        self.assertEqual(len(streams), 1, list(streams))
        # Some 14,000 were made. Memory of 1 MiB held 2,000 of them, and they came one after the other.
        self.assertGreater(heard.count("flow"), 9000)
        self.assertLess(sum(heard.holes("flow").values()), 2500)


if __name__ == "__main__":
    faults.main("nats-server")
