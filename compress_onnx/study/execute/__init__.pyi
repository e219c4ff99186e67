from .driver import Answer as Answer
from .driver import Driver as Driver
from .parcels import bundle as bundle
from .parcels import unpacked as unpacked
from .tasks import (
    CellTask as CellTask,
)
from .tasks import (
    Done as Done,
)
from .tasks import (
    Failed as Failed,
)
from .tasks import (
    Terms as Terms,
)
from .tasks import (
    Timed as Timed,
)
from .tasks import (
    TimingTask as TimingTask,
)
from .tasks import (
    data_sha256 as data_sha256,
)
