from .flow import Flow as Flow
from .graph_edits import cut as cut
from .graph_edits import prepared as prepared
from .groups import Labels as Labels
from .rules import followed as followed
