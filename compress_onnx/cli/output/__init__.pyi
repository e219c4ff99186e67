from .artifacts import kilobytes as kilobytes
from .artifacts import made as made
from .runs import (
    AUTO as AUTO,
)
from .runs import (
    Run as Run,
)
from .runs import (
    command_words as command_words,
)
from .runs import (
    finish as finish,
)
from .runs import (
    new_run as new_run,
)
from .runs import (
    plan_of as plan_of,
)
from .runs import (
    saliency_method as saliency_method,
)
from .runs import (
    show_batches as show_batches,
)
from .terminal import progress_bars as progress_bars
from .terminal import put as put
from .terminal import say as say
from .terminal import show_table as show_table
from .verdicts import (
    Against as Against,
)
from .verdicts import (
    Lock as Lock,
)
from .verdicts import (
    Renamed as Renamed,
)
from .verdicts import (
    Summary as Summary,
)
from .verdicts import (
    judge as judge,
)
from .verdicts import (
    renamed as renamed,
)
