from .annotations import markdown as markdown
from .annotations import workflow_commands as workflow_commands
from .junit import junit_xml as junit_xml
from .lock import (
    CONTENT as CONTENT,
)
from .lock import (
    LockedImage as LockedImage,
)
from .lock import (
    extended as extended,
)
from .lock import (
    lock_check as lock_check,
)
from .lock import (
    lock_text as lock_text,
)
from .lock import (
    read_lock as read_lock,
)
from .lock import (
    won_images as won_images,
)
from .measured import measures as measures
from .policy import (
    TEMPLATE as TEMPLATE,
)
from .policy import (
    Policy as Policy,
)
from .policy import (
    load_policy as load_policy,
)
from .policy import (
    template_policy as template_policy,
)
from .regression import Side as Side
from .regression import regression_checks as regression_checks
from .shift import Columns as Columns
from .verdict import decide as decide
from .verdict import overall as overall
from .words import ordered as ordered
from .words import signed as signed
from .words import verdict_line as verdict_line
from .words import why as why
