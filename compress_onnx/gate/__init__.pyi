from .annotations import markdown as markdown, workflow_commands as workflow_commands
from .junit import junit_xml as junit_xml
from .lock import CONTENT as CONTENT, LockedImage as LockedImage, extended as extended, lock_check as lock_check, lock_text as lock_text, read_lock as read_lock, won_images as won_images
from .measured import measures as measures
from .policy import Policy as Policy, TEMPLATE as TEMPLATE, load_policy as load_policy, template_policy as template_policy
from .regression import Side as Side, regression_checks as regression_checks
from .shift import Columns as Columns
from .verdict import decide as decide, overall as overall
from .words import ordered as ordered, signed as signed, verdict_line as verdict_line, why as why
