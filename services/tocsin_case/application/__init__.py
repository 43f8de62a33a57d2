"""What the case service does: load, decide, commit."""

from tocsin_case.application.alerts import Alert, Alerts
from tocsin_case.application.cases import Cases
from tocsin_case.application.clocks import ClockKeeper
from tocsin_case.application.configuring import Settings
from tocsin_case.application.evidence import Evidence
from tocsin_case.application.guiding import Desk
from tocsin_case.application.intake import Intake
from tocsin_case.application.ledger import By, Ledger
from tocsin_case.application.opening import Opening, Openings
from tocsin_case.application.playbooks import Playbooks
from tocsin_case.application.reporting import Reports
from tocsin_case.application.splitting import Splitting
from tocsin_case.application.talking import Talk
from tocsin_case.application.tasks import NewTask, Tasks

__all__ = [
    "Alert",
    "Alerts",
    "By",
    "Cases",
    "ClockKeeper",
    "Desk",
    "Evidence",
    "Intake",
    "Ledger",
    "NewTask",
    "Opening",
    "Openings",
    "Playbooks",
    "Reports",
    "Settings",
    "Splitting",
    "Talk",
    "Tasks",
]
