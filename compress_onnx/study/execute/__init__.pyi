from .driver import Answer as Answer, Driver as Driver
from .parcels import bundle as bundle, unpacked as unpacked
from .tasks import CellTask as CellTask, Done as Done, Failed as Failed, Terms as Terms, Timed as Timed, TimingTask as TimingTask, data_sha256 as data_sha256
