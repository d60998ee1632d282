"""Every case, trait by trait: the table of docs/conformance.md."""

from .cases_of_codecs import codecs, real
from .cases_of_colors import colors, fields
from .cases_of_files import damaged, timed, with_streams
from .cases_of_pictures import pictures, samples

CASES = (*pictures(), *samples(), *colors(), *fields(), *timed(), *damaged(), *with_streams(), *codecs(), *real())
