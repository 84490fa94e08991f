"""The story of Dragonfly's guide for several clusters: what packaging/quickstart --two-clusters plays, with a small image."""

import os
import sys

from fixture import MIB, LabTest, deadline, settings, stop_roles
from lab import image
from lab.lab import REPOSITORY

sys.path.append(os.path.join(REPOSITORY, "packaging", "demo"))

from two_clusters import TwoClusters  # pylint: disable=wrong-import-position


class Page(LabTest):
    @deadline(180)
    def test_two_clusters_under_one_manager(self):
        place = os.path.join(self.lab.folder, "image")
        os.makedirs(place)
        made = image.make_image(place, [image.noise(size) for size in (MIB, 5 * MIB, 12 * MIB)], [], ["/none"])
        play = TwoClusters(self.lab, settings["darter"], made, say=lambda text: None)
        self.addCleanup(lambda: stop_roles(play.roles))
        play.story()
        self.assertEqual([text for good, text in play.checks if not good], [])
        self.assertEqual(len(play.pulls), 6)
