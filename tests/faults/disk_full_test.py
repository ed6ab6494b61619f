"""The disk is full: that of the spool while the broker is away, and that of the history.

May be lost: what there is no room for, and every record of it is counted. The spool takes again when the broker has taken from it; the
history forgets or loses and counts it, and the controller goes on.
"""
import os
import time

import faults
from faults import FaultTest, Listener, Sequences, small_disk, wait_until


class DiskFull(FaultTest):
    def test_a_full_spool_loses_what_it_says_and_nothing_else(self):
        with small_disk(self.path("disk"), "3m") as disk:
            broker = self.broker()
            before = Listener(broker, keep_lines=False)
            # Its own limit is far above what the disk has.
            fleet = self.fleet("fleet", broker.url, "--rate", 4000, "--seconds", 600, "--spool", disk, "--spool-size", "64MiB", "--memory", "1MiB")
            before.read(1)
            broker.kill()
            before.read(1)
            before.close()
            time.sleep(4)  # 2 MiB a second
            with self.frozen(fleet):
                broker.start()
                after = Listener(broker, keep_lines=False)
            after.read(8)
            self.end(fleet)
            after.read(2)
            after.close()
            sums, heard = self.sums("fleet"), Sequences(before, after)
            self.assertGreater(sums["lost"], 0, sums)
            self.assertEqual(sums["given"], sums["delivered"] + sums["lost"], self.said("fleet"))
            self.assertEqual(sums["made"], sums["given"] - self.others(heard), sums)
            missing = sum(heard.holes("flow").values())
            self.assertGreaterEqual(missing, sums["lost"], sums)
            # What the server had confirmed and not passed on when it was killed.
            self.assertLessEqual(missing - sums["lost"], 4000 * 0.05, sums)
            self.assertIn("lost", self.said("fleet"))

    @staticmethod
    def others(heard):
        return sum(len(numbers) for (_, subject), numbers in heard.heard.items() if ".flow." not in subject)

    def test_a_history_on_a_full_disk_counts_what_it_loses_and_the_controller_goes_on(self):
        with small_disk(self.path("disk"), "6m") as disk:
            broker = self.broker()
            controller = self.controller(broker.url, "--history-directory", os.path.join(disk, "history"), CVF_HISTORY_SIZE="64MiB")
            fleet = self.fleet("fleet", broker.url, "--agents", 2, "--rate", 20000, "--burst", 10, "--seconds", 600)
            time.sleep(8)
            self.end(fleet)
            sums = self.sums("fleet")
            self.assertEqual(sums["lost"], 0, sums)
            metrics = {}

            def settled():
                metrics.update(self.metrics())
                kept = metrics["cvf_history_records_written_total"] + metrics["cvf_history_records_lost_total"] + metrics["cvf_history_overrun_total"]
                return metrics["cvf_controller_records_total"] == kept and kept >= sums["delivered"]
            self.assertTrue(wait_until(settled, 10, 0.3), (metrics, sums, self.said("controller")))
            self.assertGreater(metrics["cvf_history_records_lost_total"] + metrics["cvf_history_overrun_total"], 0, metrics)
            self.assertIsNone(controller.poll())
            # What is kept can still be asked for.
            self.assertTrue(self.cvf("query", "--types", "flow", "--count", "--format", "json"))


if __name__ == "__main__":
    faults.main("nats-server", "mount", root=True)
