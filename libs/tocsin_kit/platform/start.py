"""What is known when `up` has begun and MongoDB is starting."""

from dataclasses import dataclass

from tocsin_kit.config import PlatformSettings
from tocsin_kit.embedded.folders import DataFolder
from tocsin_kit.embedded.mongo_server import MongoServer
from tocsin_kit.platform.options import Options, Ports
from tocsin_kit.platform.screen import Screen


@dataclass(frozen=True, slots=True)
class Start:
    """The beginning.

    Attributes:
        options: The command line.
        settings: The shared sections.
        ports: All ports.
        folder: The open data folder.
        screen: Shows progress.
        mongo: MongoDB, its process started; ``None`` when another one is used.
        began: When the start began, on the monotonic clock.
    """

    options: Options
    settings: PlatformSettings
    ports: Ports
    folder: DataFolder
    screen: Screen
    mongo: MongoServer | None
    began: float
