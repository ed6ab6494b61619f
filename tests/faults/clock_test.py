"""The clock of an agent's machine is set: an hour on, then two hours back. (libfaketime; monotonic time goes on as it does in life.)

May be lost: nothing. Records go on being made, published and counted; the agent stays listed as ready, with its skew; directives come into
force as before.
"""
import glob
import time

import faults
import live
from faults import FaultTest, Listener, Sequences, wait_until

HOUR = 3600 * 10**9


class ClockIsSet(FaultTest):
    def test_a_step_either_way_costs_nothing(self):
        library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not library:
            live.skip_all("no libfaketime here")
        broker = self.broker()
        self.controller(broker.url)
        listener = Listener(broker, keep_lines=False)

        def set_clock(offset):
            with open(self.path("clock"), "w") as f:
                f.write(offset + "\n")
        set_clock("+0")
        fleet = self.fleet("fleet", broker.url, "--agents", 2, "--rate", 1000, "--seconds", 600, environment={
            "LD_PRELOAD": library[0], "FAKETIME_TIMESTAMP_FILE": self.path("clock"), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
        skews = lambda: [node["clockSkew"] for node in self.nodes().values() if not node["lost"]]
        self.assertTrue(wait_until(lambda: len(skews()) == 2, 10, 0.2))
        for offset, ahead in (("+3600", HOUR), ("-3600", -HOUR)):
            set_clock(offset)
            count = Sequences(listener).count("flow")
            self.cvf("apply", "-f", "-", "--wait", text=f"apiVersion: cvf/v1\nkind: Metadata\nmetadata: {{name: flows{'a' if ahead > 0 else 'b'}}}\nspec: {{types: [flow]}}\n")
            listener.read(7)
            if ahead > 0:  # the other way it shows when a minute is over, for a slow status looks the same
                self.assertTrue(all(abs(skew - ahead) < HOUR / 60 for skew in skews()), skews())
            self.assertGreater(Sequences(listener).count("flow"), count + 3000)
            self.assertEqual(set(self.states().values()), {"ready"})
        self.end(fleet)
        listener.read(1)
        listener.close()
        sums, heard = self.sums("fleet"), Sequences(listener)
        self.assertEqual(sums["lost"], 0, sums)
        self.assertEqual(heard.holes("flow"), {})
        self.assertEqual(heard.count("flow"), sums["made"], sums)


if __name__ == "__main__":
    faults.main("nats-server")
